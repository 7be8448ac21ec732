//! Opaque tokens by introspection: CONFORMANCE S13.

mod answers;
mod caches;
mod callers;
mod flood;
mod hostile;
mod local;
mod log;
mod outage;
mod provider;
mod request;
mod server;
mod signed;
