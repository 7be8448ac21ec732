//! `countersign issuer` and `countersign rotate`: the token service as a command, and its control.

pub(super) mod control;
mod rotate;
mod serve;

pub(super) use rotate::Arguments as Rotate;
pub(super) use serve::Arguments as Serve;
