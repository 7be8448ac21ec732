//! The compiler's message for TOML without the feature `config`.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use countersign_core::error::ConfigError;

use super::IssuerConfig;

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "`IssuerConfig` reads TOML only with the feature `config`",
    label = "requires the feature `config`",
    note = "in Cargo.toml: countersign-issuer = {{ version = \"0.1\", features = [\"config\"] }}"
)]
pub trait IssuerConfigFeature {}

#[doc(hidden)]
impl IssuerConfig {
    pub fn from_toml(_: impl IssuerConfigFeature) -> Result<Self, ConfigError> {
        Err(missing())
    }

    pub fn from_file(_: impl IssuerConfigFeature) -> Result<Self, ConfigError> {
        Err(missing())
    }
}

fn missing() -> ConfigError {
    ConfigError::new("config", "requires the feature `config`")
}
