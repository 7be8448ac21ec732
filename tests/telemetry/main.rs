//! What is told to those who run a service: CONFORMANCE S10.04, S10.05, S10.11 and S10.12. Every event is in
//! `docs/telemetry.md`.

mod keys;
mod recorder;
mod requests;
