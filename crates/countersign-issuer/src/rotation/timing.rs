//! The times of a rotation.

use std::time::Duration;

/// The time that verifiers may cache the key set, as its `Cache-Control` states.
pub(crate) const JWKS_MAX_AGE: Duration = Duration::from_secs(300);

/// The longest cool-down of a verifier between refreshes for an unknown key.
const VERIFIER_COOL_DOWN: Duration = Duration::from_secs(60);

/// An allowance for clock differences and for caches on the way.
pub(super) const MARGIN: Duration = Duration::from_secs(60);

/// The time that a key is published before it signs.
pub(super) const PENDING_FOR: Duration = JWKS_MAX_AGE.saturating_add(VERIFIER_COOL_DOWN).saturating_add(MARGIN);

/// The time for which a key must be seen as retiring before it is removed by the wall clock, which may have been wrong.
pub(super) const TRUSTED_AFTER: Duration = Duration::from_secs(3600);

/// The time after which the store is read again for changes of other instances.
pub(super) const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);

/// The time after which verifiers in this process have the store read again in the background.
pub(super) const READ_AHEAD: Duration = Duration::from_millis(2_500);

/// The longest wait of a request for a read of the store.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(1);

/// The longest time after the last good read that keys are used that the store does not have any more.
pub(super) const RESET_FOR: Duration = Duration::from_secs(60);

/// The longest time that verifiers in this process use the keys of the last read while the store is unavailable.
pub(super) const STALE_FOR: Duration = Duration::from_secs(3600);
