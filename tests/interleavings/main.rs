//! The refresh cache under a scheduler that tries the orders of events: the source of `countersign` itself, with shuttle's
//! lock, tasks and time instead of the system's.

#![allow(unexpected_cfgs, reason = "the crate's features, which this one lacks")]

#[path = "../../crates/countersign/src/refresh/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unexpected_cfgs,
    reason = "the crate's own module, of which this test uses a part"
)]
mod refresh;

mod cell;
mod rt;
mod scenarios;
