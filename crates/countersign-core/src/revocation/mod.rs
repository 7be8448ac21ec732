//! Revocations as one instance tells them to all others.
//!
//! A [`RevocationNotice`] names the tokens of one issuer that are no longer accepted. Those who learn of a revocation, such as
//! an issuer, an operator's command or a logout receiver, hand it to a [`RevocationSink`]. The crate `countersign` has lists
//! that are sinks, and checks every request against them.

mod log;
mod notice;
mod sink;

pub use log::{ChangeFuture, LogFuture, LogPage, MAX_LOG_NAME_BYTES, RevocationLog};
pub use notice::{InvalidNotice, MAX_NOTICE_BYTES, RevocationNotice, RevokedTokens};
pub use sink::{RevocationSink, SinkError, SinkFuture};
