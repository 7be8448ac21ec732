//! The rules of a policy for the status lists of an issuer.

use std::time::Duration;

use super::ConnectionConfig;
use super::loopback::is_loopback;
use crate::error::Fault;

/// The status lists of an issuer (draft-ietf-oauth-status-list-21), for [`TrustedIssuer::status_lists`]: where they may be,
/// and what bounds them.
///
/// A verifier does not check statuses. A layer of the crate `countersign` does, with its feature `status-list`; without the
/// feature, a policy with these rules does not build.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use countersign_core::{key::StaticKeys, policy::{NeedsAudience, StatusListRules}};
///
/// let lists = StatusListRules::new("https://id.example.com/status-lists/").required().max_age(Duration::from_secs(120));
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])))
///     .audience("orders")
///     .status_lists(lists);
/// # let _ = issuer;
/// ```
///
/// [`TrustedIssuer::status_lists`]: super::TrustedIssuer::status_lists
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct StatusListRules {
    locations: Vec<String>,
    is_required: bool,
    max_age: Option<Duration>,
    max_lists: Option<usize>,
    max_list_bytes: Option<usize>,
    connection: Option<ConnectionConfig>,
    accepts_unknown: bool,
}

impl StatusListRules {
    /// Permits lists at this address, or below it if it ends with a slash: `https`, or `http` on loopback.
    ///
    /// A token names the address of its list. No list at another address is ever fetched.
    pub fn new(location: impl Into<String>) -> Self {
        StatusListRules::default().add_location(location)
    }

    /// Permits lists at another address too.
    pub fn add_location(mut self, location: impl Into<String>) -> Self {
        self.locations.push(location.into());
        self
    }

    /// Refuses tokens of the issuer that name no list, as if they were revoked. Default: such a token counts as valid.
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Sets the age at which a list is no longer used if it cannot be fetched again. Default: that of the check, 5 min.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets the most lists of the issuer. Default: that of the check, 64.
    pub fn max_lists(mut self, lists: usize) -> Self {
        self.max_lists = Some(lists);
        self
    }

    /// Sets the longest list that is read, in bytes after decompression. Default: that of the check, 1 MiB.
    pub fn max_list_bytes(mut self, bytes: usize) -> Self {
        self.max_list_bytes = Some(bytes);
        self
    }

    /// Fetches the lists over connections of these settings. Default: those of the check.
    pub fn connection(mut self, connection: ConnectionConfig) -> Self {
        self.connection = Some(connection);
        self
    }

    pub(super) fn accepting_unknown(mut self) -> Self {
        self.accepts_unknown = true;
        self
    }

    /// The permitted addresses.
    #[must_use]
    pub fn locations(&self) -> &[String] {
        &self.locations
    }

    /// Returns whether tokens that name no list are refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// Returns whether tokens of unknown status are accepted
    /// ([`danger::unknown_status_accepted`](super::danger::unknown_status_accepted)).
    #[must_use]
    pub fn accepts_unknown(&self) -> bool {
        self.accepts_unknown
    }

    /// The age at which a list is no longer used, if it is set.
    #[must_use]
    pub fn age_bound(&self) -> Option<Duration> {
        self.max_age
    }

    /// The most lists, if it is set.
    #[must_use]
    pub fn lists_bound(&self) -> Option<usize> {
        self.max_lists
    }

    /// The longest list in bytes, if it is set.
    #[must_use]
    pub fn bytes_bound(&self) -> Option<usize> {
        self.max_list_bytes
    }

    /// The settings of connections, if they are set.
    #[must_use]
    pub fn connection_config(&self) -> Option<&ConnectionConfig> {
        self.connection.as_ref()
    }

    /// The rules as fields of the canonical form. Connections are not part of it.
    pub(super) fn describe(&self, field: &mut dyn FnMut(&str, Vec<String>)) {
        field("status_lists", self.locations.clone());
        let age = |age: Duration| format!("{}.{:09}", age.as_secs(), age.subsec_nanos());
        for (name, value) in [
            ("status_lists.required", self.is_required.then(|| "yes".to_owned())),
            ("status_lists.max_age", self.max_age.map(age)),
            ("status_lists.max_lists", self.max_lists.map(|lists| lists.to_string())),
            ("status_lists.max_list_bytes", self.max_list_bytes.map(|bytes| bytes.to_string())),
        ] {
            if let Some(value) = value {
                field(name, vec![value]);
            }
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut problems: Vec<&'static str> = Vec::new();
        if !cfg!(feature = "status-list") {
            problems.push("this build checks no status lists; enable the feature status-list, or remove them");
        }
        if self.locations.is_empty() {
            problems.push(
                "no location; name the address below which the issuer publishes its lists, with a slash at its end",
            );
        }
        if !self.locations.iter().all(|location| is_permitted(location)) {
            problems
                .push("a location is not an https URL (http on loopback) without query, fragment and user; correct it");
        }
        if self.max_age.is_some_and(|age| age < SHORTEST_AGE) {
            problems.push("max_age is below 1 s, so that every request would fetch a list; raise it");
        }
        if self.max_lists == Some(0) || self.max_list_bytes == Some(0) {
            problems.push("max_lists or max_list_bytes is zero, so that no list could be used; raise it");
        }
        problems.into_iter().map(|problem| Fault::new("status_lists", problem)).collect()
    }
}

/// The shortest bound on the age of a list.
const SHORTEST_AGE: Duration = Duration::from_secs(1);

/// Returns whether lists may be at this location. This crate has no parser of URLs; the one that fetches lists has.
fn is_permitted(location: &str) -> bool {
    let has_host = |rest: &str| !rest.is_empty() && !rest.starts_with(['/', ':']);
    let is_safe = match location.strip_prefix("https://") {
        Some(rest) => has_host(rest),
        None => location.starts_with("http://") && is_loopback(location),
    };
    is_safe && location.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_08_locations_that_no_list_can_have_are_faults() {
        for fine in ["https://id.test/lists/", "https://id.test", "http://127.0.0.1:80/lists/", "http://[::1]/l/"] {
            assert!(is_permitted(fine), "{fine}");
        }
        for bad in [
            "",
            "id.test/lists/",
            "https://",
            "https:///lists/",
            "http://id.test/lists/",
            "ftp://id.test/",
            "https://a@id.test/",
            "https://id.test/?a",
            "https://id.test/#a",
            "https://id.test\\@evil.test/",
            "https://id.test/a b",
            "HTTPS://id.test/",
        ] {
            assert!(!is_permitted(bad), "{bad}");
        }
    }
}
