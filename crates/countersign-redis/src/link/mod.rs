//! The connection to a server or a cluster, which is replaced when it breaks.

mod check;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod dial;
mod failure;
#[expect(clippy::module_inception, reason = "the type of this module")]
mod link;
mod outage;
mod reconnect;
mod script;
mod sentinel;

pub(crate) use failure::Failure;
pub(crate) use link::Link;
pub(crate) use outage::Effect;
pub(crate) use script::ServerScript;
