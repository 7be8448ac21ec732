//! Receivers of revocations: back-channel logout and shared signals, as routes of axum.
//!
//! A provider tells a receiver that somebody logged out, or that a session was revoked. The receiver checks the token that says
//! so, and hands [`RevocationNotice`](crate::revocation::RevocationNotice)s to a
//! [`RevocationSink`](crate::revocation::RevocationSink): a [`RevocationList`](crate::revocation::RevocationList) in this process,
//! or a stream to all instances. The requests have no access token: add the routes after the layer.
//!
//! - [`LogoutReceiver`]: OpenID Connect Back-Channel Logout 1.0.
//! - [`SignalReceiver`]: the OpenID Shared Signals Framework 1.0, by push (RFC 8935), with the events of CAEP.
//! - `SignalPoller` (feature `outbound`): the same events by polling (RFC 8936).

mod logout;
#[cfg(feature = "outbound")]
mod poll;
#[cfg(feature = "outbound")]
mod poller;
mod receiver;
mod seen;
mod signal;
mod signals;

pub use logout::LogoutReceiver;
#[cfg(feature = "outbound")]
pub use poller::{SignalPoller, SignalPollerBuilder};
pub use signals::SignalReceiver;
