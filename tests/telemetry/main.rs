//! Events and spans for the operators of a service: CONFORMANCE S10.04 to S10.06 and S10.11. Every event is in
//! `docs/telemetry.md`.

mod apps;
mod recorder;
mod requests;
mod spans;
mod transactions;
