//! An audience as data.

use std::time::Duration;

use serde::Deserialize;

use crate::policy::Audience;

/// A service that tokens are issued for.
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_issuer::IssuerConfig;
///
/// let text = "issuer = \"http://127.0.0.1:4000\"\n[[audience]]\nname = \"billing\"\nscopes = [\"invoices:read\"]";
/// assert_eq!(IssuerConfig::from_toml(text).unwrap().audiences[0].name, "billing");
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AudienceConfig {
    /// The name in `aud`.
    pub name: String,
    /// The scopes that tokens for it may carry.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The lifetime of tokens for it. Default: the issuer's.
    pub token_lifetime_seconds: Option<u64>,
}

impl AudienceConfig {
    pub(super) fn to_audience(&self) -> Audience {
        let audience = Audience::new(&self.name).scopes(&self.scopes);
        match self.token_lifetime_seconds {
            Some(seconds) => audience.token_lifetime(Duration::from_secs(seconds)),
            None => audience,
        }
    }
}
