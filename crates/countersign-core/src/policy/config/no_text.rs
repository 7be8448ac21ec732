//! Compiler messages for TOML and environment variables without the feature `config`.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use super::Policy;
use crate::error::ConfigError;

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "`Policy` reads TOML and environment variables only with the feature `config`",
    label = "requires the feature `config`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"config\"] }}; `Policy::from_json` requires no feature"
)]
pub trait ConfigFeature {}

#[doc(hidden)]
impl Policy {
    pub fn from_toml(_: impl ConfigFeature) -> Result<Self, ConfigError> {
        Err(missing())
    }

    pub fn from_env(_: impl ConfigFeature) -> Result<Self, ConfigError> {
        Err(missing())
    }
}

fn missing() -> ConfigError {
    ConfigError::new("policy", "requires the feature `config`")
}
