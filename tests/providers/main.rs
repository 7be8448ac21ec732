//! Servers of providers that nobody here wrote, set up by the words of their guides.

use countersign_tests::guide;

mod authority;
mod bound;
mod browser;
mod hosted;
mod hydra;
mod keycloak;
mod kubernetes;
mod load;
#[path = "../mcp/foreign.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod mcp;
mod outage;
mod proxies;
mod recorded;
mod rotation;
mod script;
mod service;
mod spire;
mod spring;
mod spring_authorization;
mod zitadel;
