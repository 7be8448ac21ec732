//! The status lists of an issuer, as data.

use std::time::Duration;

use serde::Deserialize;

use crate::status::StatusListSettings;

/// [`StatusListSettings`] as data: the table `status_lists`, which may be empty.
///
/// ```
/// use countersign_issuer::IssuerConfig;
///
/// let config = IssuerConfig::from_toml(
///     r#"
///     issuer = "http://127.0.0.1:4000"
///
///     [status_lists]
///     ttl_seconds = 10
///     "#,
/// )?;
/// assert!(config.status_lists.is_some_and(|lists| lists.ttl_seconds == Some(10)));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PublishedListsConfig {
    /// The time after which services fetch a list again. Default 5.
    pub ttl_seconds: Option<u64>,
    /// The time from the signature of a list to its expiry. Default 300, at least four times the ttl.
    pub lifetime_seconds: Option<u64>,
}

impl PublishedListsConfig {
    pub(super) fn to_settings(&self) -> StatusListSettings {
        let mut settings = StatusListSettings::default();
        if let Some(seconds) = self.ttl_seconds {
            settings = settings.ttl(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.lifetime_seconds {
            settings = settings.lifetime(Duration::from_secs(seconds));
        }
        settings
    }
}
