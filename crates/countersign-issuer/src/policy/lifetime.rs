//! The bounds of a token's lifetime.

use std::time::Duration;

/// The longest token lifetime that can be configured.
pub(crate) const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// The problem with a configured lifetime, if there is one.
pub(crate) fn lifetime_fault(lifetime: Duration) -> Option<&'static str> {
    let is_fine = lifetime.as_secs() > 0 && lifetime <= MAX_TOKEN_LIFETIME;
    (!is_fine).then_some("out of range; set 1 to 3600 seconds")
}
