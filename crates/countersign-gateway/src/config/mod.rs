//! A gateway as data.

mod embedded;
mod file;
mod limits;
mod listen;
mod parts;
mod text;
#[cfg(feature = "config")]
mod watched;

pub use embedded::{EmbeddedIssuerConfig, MintConfig};
pub use file::GatewayConfig;
pub use limits::{LimitsConfig, MetricsConfig};
pub use listen::ListenAddress;
pub use parts::{
    ApiKeysConfig, AuditConfig, ChallengeConfig, CookieConfig, DpopConfig, IdentityConfig, SwapConfig,
    SwapTransactionConfig,
};
#[cfg(feature = "config")]
pub use watched::WatchedGateway;
