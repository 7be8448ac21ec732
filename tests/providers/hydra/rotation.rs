//! Rotations of signing keys while requests arrive.

use std::time::Duration;

use countersign_test::TokenDraft;

use super::{Hydra, hydra, verifier};
use crate::rotation;

/// The tests of this file take turns: each expects its own key to be the current one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Hydra knows the newest key by the second of its creation.
async fn rotate(server: &Hydra) {
    tokio::time::sleep(Duration::from_millis(1100)).await;
    server.rotate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s4_31_rotations_of_hydra_under_load_fail_no_request() {
    let _turn = TURN.lock().await;
    let server = hydra().await;
    let token = async || server.billing_for_orders().await;
    rotation::under_load("Hydra", &verifier(&server), token, async || rotate(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s4_15_two_rotations_of_hydra_with_an_invented_kid_between_them_refuse_nobody() {
    let _turn = TURN.lock().await;
    let server = hydra().await;
    let token = async || server.billing_for_orders().await;
    let verifier = (&verifier(&server), server.issuer());
    let marked = |draft: TokenDraft| draft.client_id("billing");
    rotation::with_an_invented_kid("Hydra", verifier, token, async || rotate(&server).await, marked).await;
}
