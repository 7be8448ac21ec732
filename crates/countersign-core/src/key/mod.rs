//! Public keys, each bound to exactly one algorithm, and the sources that supply them.

mod bound;
mod cell;
mod context;
mod info;
#[cfg(feature = "jsonwebtoken")]
mod jsonwebtoken;
mod jwk;
mod material;
pub(crate) mod memory;
mod pem;
mod rejected;
mod roca;
mod set;
mod source;
mod thumbprint;

pub use crate::algorithm::Algorithm;
pub use bound::Thumbprint;
pub(crate) use cell::CurrentKeys;
pub use cell::KeyCell;
pub use context::SourceContext;
pub use info::{KeyHealth, KeySourceInfo, KeyStats, SettingsDigest};
pub(crate) use jwk::{JwkFields, PublicFields};
pub(crate) use material::KeyLabel;
pub use material::VerifyingKey;
#[cfg(feature = "sign")]
pub(crate) use pem::decode as decode_pem;
pub use rejected::{KeyRejected, KeyRejectedKind, SkippedKey};
pub(crate) use set::Lookup;
pub use set::{KeySet, MAX_JWKS_BYTES, MAX_KEYS};
pub use source::{KeySource, RefreshFuture, RefreshOutcome, RefreshReason, StaticKeys};
pub(crate) use thumbprint::thumbprint;
