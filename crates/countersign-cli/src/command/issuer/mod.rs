//! `countersign issuer`, `rotate` and `revoke`: the token service as a command, and its control.

pub(super) mod control;
mod example;
mod reach;
mod revoke;
mod rotate;
mod serve;

pub(super) use revoke::Arguments as Revoke;
pub(super) use rotate::Arguments as Rotate;
pub(super) use serve::Arguments as Serve;
