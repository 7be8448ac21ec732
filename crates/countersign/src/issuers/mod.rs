//! Trusted issuers: by name or key set address, presets of well-known providers, issuers resolved at run time.

mod preset;
mod resolved;
mod shorthand;

pub use preset::{Preset, PresetIssuer};
pub use resolved::{ResolvePolicy, ResolvedIssuers};
pub use shorthand::{jwks, oidc};
