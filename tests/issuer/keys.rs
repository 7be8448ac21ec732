//! The life of signing keys.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::KeySet;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Issuer, KeyState, RotationError};
use countersign_test::ManualClock;
use proptest::prelude::*;

use crate::service::{Service, segment};
use crate::token::remote_verifier;

const CC: (&str, &str) = ("grant_type", "client_credentials");

fn issuer(clock: &ManualClock) -> Issuer {
    let name = "https://issuer.test";
    Issuer::builder(name).add_audience(Audience::new("orders")).clock(Arc::new(clock.clone())).build().expect("sound")
}

fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(1_700_000_000))
}

fn token(issuer: &Issuer) -> String {
    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web");
    issuer.mint(&draft).expect("a token").as_str().to_owned()
}

fn kid(token: &str) -> String {
    segment(token, 0)["kid"].as_str().expect("a kid").to_owned()
}

#[tokio::test]
async fn s8_13_the_kid_is_the_thumbprint() {
    let service = Service::start().await;
    let set = KeySet::from_jwks(service.get("/jwks").await.text.as_bytes()).expect("a key set");
    let key = set.keys().next().expect("a key");
    assert_eq!(key.key_id(), Some(key.thumbprint()));
}

#[test]
fn s8_14_a_key_is_pending_then_active_then_retiring_then_gone() {
    let clock = clock();
    let issuer = issuer(&clock);
    let first = kid(&token(&issuer));
    let next = issuer.rotate().expect("a key").key_id;
    assert_eq!(issuer.rotate().expect("the same").key_id, next, "a second call adds no key");
    assert_eq!(kid(&token(&issuer)), first, "pending keys do not sign");
    clock.advance(Duration::from_secs(419));
    assert_eq!(kid(&token(&issuer)), first);
    clock.advance(Duration::from_secs(1)); // 300 s of max-age, 60 s of cool-down, 60 s of margin
    assert_eq!(kid(&token(&issuer)), next);
    let states = issuer.keys();
    assert!(matches!((&states[0].state, &states[1].state), (KeyState::Active, KeyState::Retiring { .. })));
    clock.advance(Duration::from_secs(300 + 300 + 60 - 1)); // lifetime, leeway, margin
    assert_eq!(issuer.keys().len(), 2);
    clock.advance(Duration::from_secs(1));
    assert_eq!(issuer.keys().len(), 1);
    assert_eq!(issuer.keys()[0].key_id, next);
}

#[test]
fn s8_15_a_clock_set_back_restores_no_key() {
    let clock = clock();
    let issuer = issuer(&clock);
    issuer.rotate().expect("a key");
    clock.advance(Duration::from_secs(420));
    let second = kid(&token(&issuer));
    clock.step_wall(UnixTime::from_secs(1_600_000_000));
    assert_eq!(kid(&token(&issuer)), second, "the active key goes on signing");
    clock.advance(Duration::from_secs(300 + 300 + 60)); // by the monotonic clock, whatever the wall clock says
    assert_eq!(issuer.keys().len(), 1);
    clock.step_wall(UnixTime::from_secs(1_700_000_000));
    assert_eq!(issuer.keys().len(), 1, "a removed key stays removed");
}

#[test]
fn keys_are_bounded_however_often_they_are_rotated() {
    let issuer = issuer(&clock());
    for _ in 1..16 {
        issuer.rotate_now().expect("a key");
    }
    assert_eq!(issuer.rotate_now(), Err(RotationError::TooManyKeys));
    assert_eq!(issuer.keys().len(), 16);
}

#[tokio::test]
async fn s8_16_a_revoked_key_is_removed_at_once() {
    let service = Service::start().await;
    let old = service.ask("orders", &[CC]).await.token();
    assert!(remote_verifier(&service, "billing").verify(&old).await.is_ok());
    assert_eq!(service.issuer.revoke_key(&kid(&old)), Ok(true));
    assert_eq!(service.issuer.revoke_key(&kid(&old)), Ok(false));
    assert!(!service.get("/jwks").await.text.contains(&kid(&old)));
    let new = service.ask("orders", &[CC]).await.token();
    assert_ne!(kid(&new), kid(&old));
    let fresh = remote_verifier(&service, "billing");
    assert_eq!(fresh.verify(&old).await.expect_err("its key is gone").code(), "unknown_key");
    assert!(fresh.verify(&new).await.is_ok());
}

#[tokio::test]
async fn s8_14_a_remote_verifier_follows_a_rotation_without_one_refusal() {
    let service = Service::start().await;
    let verifier = remote_verifier(&service, "billing");
    let old = service.ask("orders", &[CC]).await.token();
    assert!(verifier.verify(&old).await.is_ok());
    service.issuer.rotate().expect("a key");
    for _ in 0..12 {
        service.clock.advance(Duration::from_secs(60));
        let token = service.ask("orders", &[CC]).await.token();
        let verified = verifier.verify(&token).await.expect("no token is refused during a rotation");
        assert_eq!(verified.key_id(), Some(kid(&token).as_str()));
    }
    assert_ne!(kid(&service.ask("orders", &[CC]).await.token()), kid(&old));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// At any time, a key set cached for up to `max-age` has the key of every unexpired token.
    #[test]
    fn s8_14_every_cached_key_set_has_the_key_of_every_live_token(steps in prop::collection::vec((0_u64..200, 0_u8..4), 1..60)) {
        let clock = clock();
        let issuer = issuer(&clock);
        let mut live: Vec<(UnixTime, String)> = Vec::new();
        let mut sets: Vec<(UnixTime, HashSet<String>)> = Vec::new();
        for (seconds, act) in steps {
            clock.advance(Duration::from_secs(seconds));
            let now = clock.now();
            if act == 0 && issuer.keys().len() < 16 {
                prop_assert!(issuer.rotate().is_ok());
            }
            sets.push((now, issuer.keys().into_iter().map(|key| key.key_id).collect()));
            live.push((now.saturating_add(Duration::from_secs(300)), kid(&token(&issuer))));
            live.retain(|(expires, _)| now < *expires);
            sets.retain(|(taken, _)| now.saturating_since(*taken) <= Duration::from_secs(300));
            for (_, set) in &sets {
                for (_, kid) in &live {
                    prop_assert!(set.contains(kid));
                }
            }
        }
    }
}
