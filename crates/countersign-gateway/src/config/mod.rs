//! A gateway as data.

mod file;
mod parts;
mod text;
#[cfg(feature = "config")]
mod watched;

pub use file::GatewayConfig;
pub use parts::{ApiKeysConfig, AuditConfig, CookieConfig, DpopConfig, IdentityConfig, SwapConfig};
#[cfg(feature = "config")]
pub use watched::WatchedGateway;
