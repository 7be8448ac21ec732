//! Rotations of signing keys while requests arrive.

use countersign_test::TokenDraft;

use super::{verifier, zitadel};
use crate::rotation;

/// The tests of this file take turns: each expects its own key to be the current one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s4_31_rotations_of_zitadels_library_under_load_fail_no_request() {
    let _turn = TURN.lock().await;
    let server = zitadel().await;
    let token = async || server.billing_for_orders().await;
    rotation::under_load("Zitadel's library", &verifier(&server), token, async || server.rotate()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s4_15_two_rotations_of_zitadels_library_with_an_invented_kid_between_them_refuse_nobody() {
    let _turn = TURN.lock().await;
    let server = zitadel().await;
    let token = async || server.billing_for_orders().await;
    let verifier = (&verifier(&server), server.issuer());
    let marked = |draft: TokenDraft| draft.client_id("billing");
    rotation::with_an_invented_kid("Zitadel's library", verifier, token, async || server.rotate(), marked).await;
}
