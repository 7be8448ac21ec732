//! Rotations of signing keys while requests arrive.

use std::time::Duration;

use countersign_test::TestIssuer;

use super::{Zitadel, verifier, zitadel};
use crate::load::{Load, assert_hardly_any_unavailable, kid, rotations};

/// The tests of this file take turns: each expects its own key to be the current one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A token of a new key.
async fn rotated(server: &Zitadel) -> String {
    let before = kid(&server.billing_for_orders().await);
    server.rotate();
    let token = server.billing_for_orders().await;
    assert_ne!(kid(&token), before, "a new key signs");
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s4_31_rotations_of_zitadels_library_under_load_fail_no_request() {
    let _turn = TURN.lock().await;
    let server = zitadel().await;
    let load = Load::start(&verifier(&server), server.billing_for_orders().await).await;
    let rotations = rotations();
    for _ in 0..rotations {
        load.send(rotated(&server).await);
        tokio::time::sleep(Duration::from_millis(1100)).await; // longer than the shortest cool-down
    }
    let codes = load.end().await;
    println!("{rotations} rotations of Zitadel's library: {codes:?}");
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s4_15_two_rotations_of_zitadels_library_with_an_invented_kid_between_them_refuse_nobody() {
    let _turn = TURN.lock().await;
    let server = zitadel().await;
    let verifier = verifier(&server);
    let load = Load::start(&verifier, server.billing_for_orders().await).await;
    for _ in 0..2 {
        load.send(rotated(&server).await);
        let other_issuer = TestIssuer::with_system_clock().with_name(server.issuer());
        let invented = other_issuer.token().audience("orders").client_id("billing").header("kid", "invented").sign();
        let error = verifier.verify(&invented).await.expect_err("invented");
        assert!(["unknown_key", "keys_unavailable"].contains(&error.code()), "{error}: it was looked up");
        load.send(rotated(&server).await);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let codes = load.end().await;
    println!("two rotations of Zitadel's library with an invented kid between them, twice: {codes:?}");
    assert_hardly_any_unavailable(&codes);
}
