//! The content of a bundle whose signature was checked.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{BundleError, BundleErrorKind as Kind};
use crate::clock::UnixTime;
use crate::digest::sha256;
use crate::policy::Policy;
use crate::redact::{message_without_values, word};
use crate::token::has_unique_names;

/// The longest bundle read, in bytes. Its policy may have about three quarters of that.
pub const MAX_BUNDLE_BYTES: usize = 1024 * 1024;

/// The longest time from the creation of a bundle to its expiry.
pub const MAX_BUNDLE_VALIDITY: Duration = Duration::from_secs(366 * 24 * 3600);

/// The largest revision, the largest integer that every JSON reader keeps (RFC 8259 §6).
pub(super) const MAX_REVISION: u64 = (1 << 53) - 1;

/// The longest name of a fleet, in bytes.
pub(super) const MAX_FLEET_BYTES: usize = 256;

/// The tolerated difference between the clock of the machine that signed and that of the service.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// A bundle that a pinned key signed for this fleet: a policy with its revision and its times.
///
/// Only a [`BundleVerifier`](super::BundleVerifier) makes one.
///
/// ```compile_fail
/// use countersign_core::bundle::Bundle;
///
/// let forged: Bundle = serde_json::from_str(r#"{"revision":1}"#).unwrap(); // cannot be deserialised
/// ```
#[derive(Clone, Debug)]
pub struct Bundle {
    revision: u64,
    fleet: Box<str>,
    created_at: UnixTime,
    expires_at: UnixTime,
    policy: Arc<Policy>,
    key_id: Option<Box<str>>,
    digest: [u8; 32],
}

/// The payload. `iat`, `exp` and `aud` have the meaning of RFC 7519, so that JWT libraries check them too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'t> {
    aud: String,
    revision: u64,
    iat: u64,
    exp: u64,
    #[serde(borrow)]
    policy: &'t RawValue,
}

impl Bundle {
    /// Reads a payload whose signature was checked. The times are not checked.
    pub(super) fn read(payload: &[u8], fleet: &str, key_id: Option<&str>) -> Result<Self, BundleError> {
        let text = std::str::from_utf8(payload)
            .map_err(|_| BundleError::new(Kind::Malformed, "its payload is not UTF-8 text"))?;
        let payload: Payload<'_> = serde_json::from_str(text)
            .map_err(|error| BundleError::new(Kind::Malformed, message_without_values(&error.to_string())))?;
        if !has_unique_names(text) {
            return Err(BundleError::new(
                Kind::Malformed,
                "a name occurs twice in one object, or the nesting is too deep",
            ));
        }
        if payload.aud != fleet {
            let detail = format!("it is for the fleet {}, this service belongs to {}", word(&payload.aud), word(fleet));
            return Err(BundleError::new(Kind::WrongFleet, detail));
        }
        if !(1..=MAX_REVISION).contains(&payload.revision) {
            return Err(BundleError::new(Kind::Malformed, "revision is not between 1 and 2^53 - 1"));
        }
        let (created_at, expires_at) = (UnixTime::from_secs(payload.iat), UnixTime::from_secs(payload.exp));
        if expires_at <= created_at || expires_at.saturating_since(created_at) > MAX_BUNDLE_VALIDITY {
            return Err(BundleError::new(Kind::Malformed, "exp is not after iat, or more than 366 days after it"));
        }
        let policy = Policy::from_json(payload.policy.get())
            .map_err(|error| BundleError::new(Kind::InvalidPolicy, error.to_string()))?;
        Ok(Bundle {
            revision: payload.revision,
            fleet: fleet.into(),
            created_at,
            expires_at,
            policy: Arc::new(policy),
            key_id: key_id.map(Into::into),
            digest: sha256(text),
        })
    }

    /// Checks that the bundle may be taken at `now`. One that is in force stays when its time is over.
    ///
    /// # Errors
    /// [`Expired`](Kind::Expired) and [`NotYetCreated`](Kind::NotYetCreated), which is later than `now` by over a minute.
    pub fn check_times(&self, now: UnixTime) -> Result<(), BundleError> {
        if now >= self.expires_at {
            let ago = now.saturating_since(self.expires_at).as_secs();
            return Err(BundleError::new(Kind::Expired, format!("it expired {ago} s ago; sign a new revision")));
        }
        let ahead = self.created_at.saturating_since(now);
        if ahead > CLOCK_TOLERANCE {
            let detail = format!("it was created {} s in the future; compare the clocks", ahead.as_secs());
            return Err(BundleError::new(Kind::NotYetCreated, detail));
        }
        Ok(())
    }

    /// Compares the bundle with the last one that was accepted. Returns whether it replaces it; the same document does not.
    ///
    /// # Errors
    /// [`OlderRevision`](Kind::OlderRevision), and [`SameRevision`](Kind::SameRevision) for another document of that number.
    pub fn replaces(&self, last: &Bundle) -> Result<bool, BundleError> {
        let (number, known) = (self.revision, last.revision);
        if number < known {
            let detail = format!("revision {number}, and {known} was accepted before; sign the next revision");
            return Err(BundleError::new(Kind::OlderRevision, detail));
        }
        if number == known && self.digest != last.digest {
            let detail = format!("another document of revision {number} was accepted before; sign the next revision");
            return Err(BundleError::new(Kind::SameRevision, detail));
        }
        Ok(number > known)
    }

    /// The number; only a higher one replaces it.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The fleet that it is for (`aud`).
    #[must_use]
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// The time of its creation (`iat`).
    #[must_use]
    pub const fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// The time from which it is not accepted any more (`exp`).
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The `kid` of the key that signed it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }
}
