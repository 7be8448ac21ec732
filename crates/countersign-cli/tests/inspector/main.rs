//! `countersign inspect`: the real binary, asked over real sockets and driven in a real browser.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod copied; // as the page writes it
mod page;
mod request_guard;
#[path = "../run/mod.rs"]
mod run;
mod world;
