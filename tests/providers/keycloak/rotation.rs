//! Rotations of signing keys while requests arrive.

use std::sync::atomic::Ordering;

use countersign_test::TokenDraft;

use super::{keycloak, verifier};
use crate::rotation;

/// The tests of this file take turns: each expects its own key to be the current one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A priority above all keys so far.
pub(super) fn next_priority() -> u32 {
    static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(200);
    LAST.fetch_add(1, Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s4_31_rotations_of_keycloak_under_load_fail_no_request() {
    let _turn = TURN.lock().await;
    let server = keycloak().await;
    let token = async || server.billing("orders:read").await;
    rotation::under_load("Keycloak", &verifier(&server), token, async || server.rotate(next_priority()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s4_15_two_rotations_of_keycloak_with_an_invented_kid_between_them_refuse_nobody() {
    let _turn = TURN.lock().await;
    let server = keycloak().await;
    let token = async || server.billing("orders:read").await;
    let verifier = (&verifier(&server), &*server.issuer("shop"));
    let marked = |draft: TokenDraft| draft.claim("typ", "Bearer");
    rotation::with_an_invented_kid("Keycloak", verifier, token, async || server.rotate(next_priority()).await, marked)
        .await;
}
