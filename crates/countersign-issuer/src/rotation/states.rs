//! The changes of state that time brings.
//!
//! A wall clock may be wrong at one instance for a moment, and what it changes holds for all instances. So a change is due
//! only after this instance has seen the state for as long as it lasts, by its monotonic clock.

use std::time::Duration;

use countersign_core::clock::UnixTime;

use super::key::{KeyState, PublishedKey, RingKey};
use super::timing::{PENDING_FOR, TRUSTED_AFTER};

/// The readings of the clock by which states change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The wall clock.
    pub(super) now: UnixTime,
    /// The lowest wall clock of the last hour.
    pub(super) lowest: UnixTime,
    /// The monotonic clock.
    pub(super) elapsed: Duration,
}

/// Applies due changes of state. States only move forward, so a clock that is set back restores no key.
pub(super) fn advance(keys: &mut Vec<RingKey>, moment: Moment, retire_for: Duration) {
    for key in keys.iter_mut() {
        // Written by an instance whose clock was ahead: it would never be rotated.
        key.since = key.since.min(moment.now);
    }
    let seen_for = |key: &RingKey| moment.elapsed.saturating_sub(key.seen_at);
    if let Some(index) = keys.iter().position(|key| key.is_pending() && seen_for(key) >= PENDING_FOR) {
        let next = keys.remove(index);
        activate(keys, next, moment, retire_for);
    }
    keys.retain(|key| match key.state {
        KeyState::Pending { .. } | KeyState::Active => true,
        // An instance that restarts often never sees tokens of a day expire.
        KeyState::Retiring { until } => {
            let is_over = seen_for(key) >= retire_for || (seen_for(key) >= TRUSTED_AFTER && until <= moment.lowest);
            !is_over
        }
    });
}

/// Makes `next` the active key, and lets the one before retire.
pub(super) fn activate(keys: &mut Vec<RingKey>, next: RingKey, moment: Moment, retire_for: Duration) -> PublishedKey {
    // The later one, since one of the two clocks may be behind.
    let now = match next.state {
        KeyState::Pending { signs_from } => signs_from.max(moment.now),
        _ => moment.now,
    };
    for key in keys.iter_mut().filter(|key| key.state == KeyState::Active) {
        key.state = KeyState::Retiring { until: now.saturating_add(retire_for) };
        key.seen_at = moment.elapsed;
    }
    let next = RingKey { state: KeyState::Active, since: moment.lowest, seen_at: moment.elapsed, ..next };
    let described = next.describe();
    keys.insert(0, next);
    described
}

/// The monotonic time of the next change of state of `key`, if time brings one without a read of the store.
pub(super) fn next_change(key: &RingKey, retire_for: Duration) -> Option<Duration> {
    match key.state {
        KeyState::Active => None,
        KeyState::Pending { .. } => Some(key.seen_at.saturating_add(PENDING_FOR)),
        KeyState::Retiring { .. } => Some(key.seen_at.saturating_add(retire_for)),
    }
}
