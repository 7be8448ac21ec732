//! Stores of used proofs, alone and behind several instances of a service: CONFORMANCE S6.11 to S6.14, S11.11.

mod cluster;
mod conformance;
mod log;
mod loss;
mod outages;
mod processes;
mod secrets;
mod sentinel;
mod tls;
mod valkey;
mod world;
