//! The command, run as a binary: the contract that scripts depend on.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod apikey;
mod bundle;
mod bundle_publish;
mod connections;
mod dev;
mod dpop;
mod edges;
mod explain;
mod fleet;
mod fleet_page;
mod foreign;
mod gateway;
mod gateway_issuer;
mod hostile;
mod introspection;
mod issuer;
mod mcp;
mod mint;
mod network;
mod plane;
mod revoke;
mod rotate;
#[path = "../run/mod.rs"]
mod run;
mod tools;
mod trace;
mod trace_services;
mod verify;
