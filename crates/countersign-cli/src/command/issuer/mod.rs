//! `countersign issuer` and `countersign rotate`: the token service as a command of its own, and a word to it.

mod control;
mod rotate;
mod serve;

pub(super) use rotate::Arguments as Rotate;
pub(super) use serve::Arguments as Serve;
