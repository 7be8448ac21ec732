//! Edges that ask, each in its own way: over HTTP (forward-auth), Envoy over gRPC too.

#[cfg(feature = "grpc")]
mod check_message;
#[cfg(feature = "grpc")]
mod ext_authz;
mod forward_auth;
mod kind;
mod peers;

#[cfg(feature = "grpc")]
pub use ext_authz::ExtAuthz;
pub use forward_auth::{ForwardAuth, ForwardAuthFuture};
pub use kind::Edge;
pub use peers::{TrustedPeers, UnixPeer};
