//! States that time changes, under clocks that agree and clocks that do not.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_test::ManualClock;

use super::key::RingKey;
use super::states::{Moment, activate, advance};
use super::timing::{PENDING_FOR, TRUSTED_AFTER};
use super::*;
use crate::store::{MemoryStore, Store};

const START: UnixTime = UnixTime::from_secs(1_700_000_000);
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);

fn key(state: KeyState, seen_at: Duration) -> RingKey {
    let signer = Arc::new(Signer::generate(Algorithm::EdDSA).expect("a key"));
    RingKey { signer, state, since: START, seen_at }
}

fn moment(elapsed: Duration) -> Moment {
    let now = START.saturating_add(elapsed);
    Moment { now, lowest: now, elapsed }
}

/// Tokens of a day: an instance that restarts often sees no key retire for so long.
#[test]
fn s8_14_after_a_restart_a_key_retires_when_its_tokens_have_ended() {
    let (until, restart) = (START.saturating_add(DAY), DAY - Duration::from_secs(7200));
    let keys = |elapsed: Duration, lowest: UnixTime| {
        let mut keys = vec![key(KeyState::Retiring { until }, restart)];
        advance(&mut keys, Moment { lowest, ..moment(elapsed) }, DAY);
        keys.len()
    };
    assert_eq!(keys(restart + TRUSTED_AFTER, until.saturating_sub(SECOND)), 1, "a token is still valid");
    assert_eq!(keys(restart + TRUSTED_AFTER, until), 0);
    assert_eq!(keys(restart + TRUSTED_AFTER - SECOND, until), 1, "the clock may be wrong for a moment");
    assert_eq!(keys(restart + DAY - SECOND, until.saturating_sub(SECOND)), 1);
    assert_eq!(keys(restart + DAY, until.saturating_sub(SECOND)), 0, "whatever the clock says");
}

#[test]
fn s8_14_a_key_retires_for_its_whole_time_from_the_later_of_both_clocks() {
    let signs_from = START.saturating_add(PENDING_FOR);
    for (now, signed_until) in [
        (START, signs_from), // this clock is behind
        (signs_from.saturating_add(SECOND), signs_from.saturating_add(SECOND)),
    ] {
        let mut keys = vec![key(KeyState::Active, Duration::ZERO)];
        let next = key(KeyState::Pending { signs_from }, Duration::ZERO);
        let lowest = START.saturating_sub(SECOND);
        activate(&mut keys, next, Moment { now, lowest, elapsed: PENDING_FOR }, DAY);
        assert_eq!((keys[0].state, keys[0].since, keys[0].seen_at), (KeyState::Active, lowest, PENDING_FOR));
        assert_eq!(keys[1].state, KeyState::Retiring { until: signed_until.saturating_add(DAY) });
        assert_eq!(keys[1].seen_at, PENDING_FOR, "it is seen as retiring from now on");
    }
}

/// Another instance has activated the key under a clock that was years ahead.
#[test]
fn s8_14_a_key_from_the_future_is_rotated_like_others() {
    let mut keys = vec![key(KeyState::Active, Duration::ZERO)];
    keys[0].since = START.saturating_add(DAY * 3650);
    advance(&mut keys, moment(SECOND), DAY);
    assert_eq!(keys[0].since, START.saturating_add(SECOND));
}

fn ring(store: &Arc<dyn Store>, clock: &ManualClock, rotation_interval: Option<Duration>) -> KeyRing {
    KeyRing::open(RingSettings {
        issuer: "https://sts.test".to_owned(),
        algorithm: Algorithm::EdDSA,
        max_token_lifetime: Duration::from_secs(300),
        rotation_interval,
        clock: Arc::new(clock.clone()),
        store: Arc::clone(store),
        store_key: None,
    })
    .expect("keys")
}

fn active(ring: &KeyRing) -> String {
    let published = ring.published();
    let active = published.keys.iter().find(|key| key.state == KeyState::Active);
    active.expect("an active key").key_id.clone()
}

#[test]
fn s8_15_a_change_that_time_brought_between_two_reads_is_stored() {
    let (store, clock): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), ManualClock::new(START));
    let running = ring(&store, &clock, None);
    let next = running.rotate().expect("a key").key_id;
    clock.advance(PENDING_FOR);
    assert_eq!(active(&running), next, "without a read of the store");
    running.maintain().expect("stored");
    assert_eq!(active(&ring(&store, &clock, None)), next, "an instance that starts now");
}

#[test]
fn s8_14_a_key_is_rotated_when_its_interval_is_over() {
    let (store, clock): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), ManualClock::new(START));
    let ring = ring(&store, &clock, Some(DAY));
    for (passed, keys) in [(Duration::ZERO, 1), (DAY - SECOND, 1), (SECOND, 2), (SECOND, 2)] {
        clock.advance(passed);
        ring.maintain().expect("stored");
        assert_eq!(ring.published().keys.len(), keys, "{passed:?}");
    }
}

#[test]
fn s8_16_a_revoked_key_that_signs_nothing_leaves_the_active_one() {
    let (store, clock): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), ManualClock::new(START));
    let ring = ring(&store, &clock, None);
    let (retiring, signing) = (active(&ring), ring.rotate_now().expect("a key").key_id);
    let pending = ring.rotate().expect("a key").key_id;
    for key_id in [pending, retiring] {
        assert_eq!(ring.revoke(&key_id), Ok(true));
        assert_eq!(active(&ring), signing);
    }
    assert_eq!(ring.published().keys.len(), 1);
}

/// Changes by another instance count from when this one sees them, and what stays counts from before.
#[test]
fn s8_15_a_state_counts_from_when_an_instance_has_first_seen_it() {
    let (store, clock): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), ManualClock::new(START));
    let (one, other) = (ring(&store, &clock, None), ring(&store, &clock, None));
    clock.advance(DAY);
    let first = active(&one);
    one.rotate_now().expect("a key");
    other.maintain().expect("read");
    assert_eq!(other.published().keys.len(), 2, "the tokens of the first key are still valid");

    let pending = one.rotate().expect("a key").key_id;
    other.maintain().expect("read");
    clock.advance(PENDING_FOR - SECOND);
    assert_eq!(one.revoke(&first), Ok(true));
    other.maintain().expect("read");
    clock.advance(SECOND);
    assert_eq!(active(&other), pending, "another write delays it at no instance");
}

#[test]
fn s8_15_keys_of_another_form_are_not_used() {
    let keys = [key(KeyState::Active, Duration::ZERO)];
    let encoded = encoding::encode(&keys, "https://sts.test", None).expect("encoded");
    let read = |text: &str| encoding::decode(text.as_bytes(), "https://sts.test", None, &[], SECOND).is_ok();
    let text = String::from_utf8(encoded).expect("text");
    assert!(read(&text));
    assert!(!read(&text.replace(r#""format":1"#, r#""format":2"#)), "written by a later version");
    assert!(!read(&text.replace("sts.test", "other.test")));
}
