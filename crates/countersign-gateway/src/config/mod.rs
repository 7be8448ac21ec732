//! A gateway as data.

mod embedded;
mod file;
mod parts;
mod text;
#[cfg(feature = "config")]
mod watched;

pub use embedded::{EmbeddedIssuerConfig, MintConfig};
pub use file::GatewayConfig;
pub use parts::{ApiKeysConfig, AuditConfig, CookieConfig, DpopConfig, IdentityConfig, SwapConfig};
#[cfg(feature = "config")]
pub use watched::WatchedGateway;
