//! The status lists of an issuer, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::{ConnectionConfig, StatusListRules, danger};

/// [`StatusListRules`] as plain data: the status lists of an issuer, which a layer checks.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{
///         "issuers": [{
///             "issuer": "https://id.example.com",
///             "audience": "orders",
///             "status_lists": { "locations": ["https://id.example.com/status-lists/"], "required": true }
///         }]
///     }"#,
/// )?;
/// assert!(policy.issuers[0].status_lists.as_ref().is_some_and(|lists| lists.required));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StatusListsConfig {
    /// The addresses at which lists may be, or below which if they end with a slash: `https`, or `http` on loopback.
    pub locations: Vec<String>,
    /// Refuses tokens that name no list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The age at which a list is no longer used if it cannot be fetched again. Default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// The most lists. Default: 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lists: Option<usize>,
    /// The longest list in bytes, after decompression. Default: 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_list_bytes: Option<usize>,
    /// Weakening: accepts tokens of unknown status ([`danger::unknown_status_accepted`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub danger_accept_unknown: bool,
}

impl StatusListsConfig {
    /// Lists at or below these addresses, with the default bounds.
    #[must_use]
    pub fn new(locations: impl IntoIterator<Item = impl Into<String>>) -> Self {
        StatusListsConfig { locations: locations.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The rules, with the connections of the issuer.
    pub(super) fn to_rules(&self, connection: Option<&ConnectionConfig>) -> StatusListRules {
        let mut rules = self.locations.iter().fold(StatusListRules::default(), StatusListRules::add_location);
        if self.required {
            rules = rules.required();
        }
        if let Some(seconds) = self.max_age_seconds {
            rules = rules.max_age(Duration::from_secs(seconds));
        }
        if let Some(lists) = self.max_lists {
            rules = rules.max_lists(lists);
        }
        if let Some(bytes) = self.max_list_bytes {
            rules = rules.max_list_bytes(bytes);
        }
        if let Some(connection) = connection {
            rules = rules.connection(connection.clone());
        }
        if self.danger_accept_unknown { danger::unknown_status_accepted(rules) } else { rules }
    }
}
