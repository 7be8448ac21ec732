//! Reports of services: what they state, who gets them, and how they are sent.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;
mod form;
mod plane;
mod reporter;
mod reports;
mod route;
