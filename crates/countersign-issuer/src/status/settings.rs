//! The settings of status lists.

use std::time::Duration;

use countersign_core::error::Fault;

/// The time after which services fetch a list again.
const TTL: Duration = Duration::from_secs(5);

/// The time from the signature of a list to its expiry.
const LIFETIME: Duration = Duration::from_secs(300);

/// The settings of an issuer's status lists, for [`IssuerBuilder::status_lists`](crate::IssuerBuilder::status_lists).
///
/// ```
/// use std::time::Duration;
/// use countersign_issuer::{Issuer, StatusListSettings};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000")
///     .status_lists(StatusListSettings::default().ttl(Duration::from_secs(30)))
///     .build()?;
/// # let _ = issuer;
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct StatusListSettings {
    pub(super) ttl: Duration,
    pub(super) lifetime: Duration,
}

impl Default for StatusListSettings {
    fn default() -> Self {
        StatusListSettings { ttl: TTL, lifetime: LIFETIME }
    }
}

impl StatusListSettings {
    /// The time after which services fetch a list again (`ttl`), and for which caches on the way may keep it, in whole seconds.
    /// Default 5 s: a revoked token is refused at most this time later, and the second in which another instance learns of it.
    pub fn ttl(self, ttl: Duration) -> Self {
        StatusListSettings { ttl, ..self }
    }

    /// The time from the signature of a list to its expiry (`exp`), in whole seconds. Default 300 s, at least four times the ttl. A
    /// list is signed again after half of it. An older list cannot be passed off as the present one for longer, and services use
    /// a list no longer while the issuer is down.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        StatusListSettings { lifetime, ..self }
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let is_whole = |time: Duration| time.subsec_nanos() == 0 && !time.is_zero();
        if !is_whole(self.ttl) {
            faults.push(Fault::new("status_lists: ttl", "not a whole number of seconds above zero"));
        }
        if !is_whole(self.lifetime) || self.lifetime < self.ttl.saturating_mul(4) {
            let problem = "not a whole number of seconds, or below four times the ttl; services could find it expired";
            faults.push(Fault::new("status_lists: lifetime", problem));
        }
        faults
    }
}
