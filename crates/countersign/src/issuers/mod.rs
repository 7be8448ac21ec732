//! Trusted issuers: by name or JWKS address, with presets for well-known providers, or resolved at run time.

mod preset;
mod resolved;
mod shorthand;

pub use preset::{Preset, PresetIssuer};
pub use resolved::{ResolvePolicy, ResolvedIssuers};
pub use shorthand::{jwks, oidc};
