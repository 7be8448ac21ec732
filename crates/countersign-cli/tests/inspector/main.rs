//! `countersign inspect`, run as a binary: over raw sockets and in a real browser.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod copied; // a test that the page generates
mod half_open;
mod page;
mod request_guard;
#[path = "../run/mod.rs"]
mod run;
mod world;
