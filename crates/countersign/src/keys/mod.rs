//! Where keys come from: OIDC discovery, JWKS addresses; how they are kept fresh, and how that fares.

mod health;
mod kept;
mod place;
mod remote;
mod snapshot;

pub use crate::refresh::RefreshPolicy;
pub use health::{Health, NotReady};
pub use remote::{RemoteKeys, jwks, oidc};
pub use snapshot::KeySnapshot;
