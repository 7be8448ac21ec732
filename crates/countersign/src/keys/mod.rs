//! Where keys come from over the network: OIDC discovery and JWKS addresses.

mod remote;

pub use crate::refresh::RefreshPolicy;
pub use remote::{RemoteKeys, jwks, oidc};
