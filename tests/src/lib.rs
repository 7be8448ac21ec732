//! Helpers that the integration tests share.

pub mod events;
pub mod http;
#[path = "../parts.rs"]
pub mod parts;
pub mod peers;

/// Every code block of the README compiles, and runs where it needs no network.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
