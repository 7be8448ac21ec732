//! Revocations from issuers to all instances of services over a real Redis: CONFORMANCE S14.12, S14.09.

mod access;
mod distribution;
mod hostile;
mod loss;
mod outages;
mod processes;
mod received;
mod relay;
mod replica;
mod sentinel;
mod world;
