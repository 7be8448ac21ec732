//! Audit events: one for each decision, with exactly the documented fields: CONFORMANCE S9.11, S9.13, S10.01 to S10.06.

mod axum_services;
mod concurrency;
mod grpc;
mod hostile;
mod layers;
#[path = "../telemetry/recorder.rs"]
#[allow(dead_code, reason = "spans are not looked at here")]
mod recorder;
mod schema;
mod sink;
