//! The refresh cache and what a token remembers of a list of revocations, under a scheduler that tries the orders of events:
//! the sources themselves, with shuttle's lock, tasks, atomic numbers and time instead of the system's.

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

#[path = "../../crates/countersign-core/src/verify/states.rs"]
mod states;

/// Another task may run at each access.
mod atomics {
    pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};
}

mod cell;
mod revocations;
mod rt;
mod scenarios;
