//! The status lists of one issuer, as a service expects them.

use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::{KeySource, SourceContext};
use countersign_core::policy::StatusListRules;
use reqwest::Url;

use crate::fetch;

/// The status lists of one issuer: where they may be, and who signs them.
///
/// A policy can have the same as data ([`StatusListsConfig`](countersign_core::policy::StatusListsConfig)). For an issuer whose
/// policy has rules, those hold, and of this only the [keys](Self::keys).
///
/// ```
/// use countersign::status::StatusListIssuer;
///
/// let issuer = StatusListIssuer::new("https://id.example.com")
///     .location("https://id.example.com/status-lists/")
///     .location("https://cdn.example.net/id/lists/")
///     .required();
/// # let _ = issuer;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StatusListIssuer {
    pub(super) issuer: String,
    pub(super) rules: StatusListRules,
    pub(super) keys: Option<Arc<dyn KeySource>>,
}

impl StatusListIssuer {
    /// The lists of this issuer, which the verifier trusts. They are signed with the keys that sign its tokens.
    pub fn new(issuer: impl Into<String>) -> Self {
        StatusListIssuer { issuer: issuer.into(), rules: StatusListRules::default(), keys: None }
    }

    /// Permits lists at this address, or below it if it ends with a slash: `https`, or `http` on loopback.
    ///
    /// A token names the address of its list. No list at another address is ever fetched; without a location, none at all.
    pub fn location(mut self, url: impl Into<String>) -> Self {
        self.rules = self.rules.add_location(url);
        self
    }

    /// Uses these keys for the lists, if another party than the issuer signs them. The algorithms are those of the issuer's
    /// policy. Default: the keys of the issuer.
    pub fn keys(mut self, keys: Arc<dyn KeySource>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Refuses tokens of this issuer that name no list, as if they were revoked. Default: such a token counts as valid.
    pub fn required(mut self) -> Self {
        self.rules = self.rules.required();
        self
    }

    /// Attaches the keys, and returns the faults of the settings. If the policy `has_rules` for the issuer, no location is needed.
    pub(super) fn attach(&self, clock: &Arc<dyn Clock>, has_rules: bool) -> Vec<Fault> {
        let mut faults = location_faults(&self.rules);
        if self.rules.locations().is_empty() && !has_rules {
            let problem =
                "missing; name the address below which the issuer publishes its lists, with a slash at its end";
            faults.push(Fault::new("status list location", problem));
        }
        if let Some(keys) = &self.keys {
            faults.extend(keys.attach(&SourceContext::new(Arc::clone(clock))));
        }
        faults
    }
}

/// The faults of locations that no list can have.
pub(super) fn location_faults(rules: &StatusListRules) -> Vec<Fault> {
    rules.locations().iter().filter_map(|url| fetch::checked_url(url, "status list location").err()).collect()
}

/// The address of a list, if it is permitted.
pub(super) fn permitted(rules: &StatusListRules, uri: &str) -> Option<Url> {
    let url = fetch::checked_url(uri, "uri").ok()?;
    let permits = |location: &String| {
        fetch::checked_url(location, "location").is_ok_and(|location| {
            let is_below = location.path().ends_with('/') && url.path().starts_with(location.path());
            location.origin() == url.origin() && (is_below || location.path() == url.path())
        })
    };
    rules.locations().iter().any(permits).then_some(url)
}

#[cfg(test)]
mod tests {
    use countersign_core::policy::StatusListRules;

    use super::permitted;

    #[test]
    fn s14_08_only_addresses_below_a_configured_location_are_permitted() {
        let rules = StatusListRules::new("https://id.test/status-lists/").add_location("https://cdn.test:8443/one");
        for fine in [
            "https://id.test/status-lists/1",
            "https://id.test:443/status-lists/a/b?c",
            "https://ID.test/status-lists/",
            "https://cdn.test:8443/one",
        ] {
            assert!(permitted(&rules, fine).is_some(), "{fine}");
        }
        for foreign in [
            "https://id.test/status-lists",
            "https://id.test/status-lists-of-others/1",
            "https://id.test/status-lists/../private/1",
            "https://id.test/status-lists/%2e%2e/private/1",
            "https://id.test/status-lists/..\\private/1",
            "https://id.test:8443/status-lists/1",
            "http://id.test/status-lists/1",
            "https://id.test.evil.test/status-lists/1",
            "https://id.test@evil.test/status-lists/1",
            "https://user@id.test/status-lists/1",
            "https://id.test/status-lists/1#x",
            "https://cdn.test:8443/one/two",
            "https://cdn.test:8443/one.json",
            "file:///status-lists/1",
            "/status-lists/1",
            "",
        ] {
            assert!(permitted(&rules, foreign).is_none(), "{foreign}");
        }
        assert!(permitted(&StatusListRules::default(), "https://id.test/status-lists/1").is_none());
    }
}
