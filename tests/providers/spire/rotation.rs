//! Rotations of JWT keys while requests arrive.

use std::time::Duration;

use countersign_test::TokenDraft;

use super::server::Spire;
use super::{partner, shop, verifier};
use crate::load::{Load, kid, rotations};
use crate::rotation;

/// The tests of this file take turns: each expects its own key to be the current one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Publishes a key, lets `publish` bring it to the verifier, and waits for a token that has it.
pub(super) async fn rotated(server: &Spire, publish: impl AsyncFnOnce()) -> String {
    let key = server.prepare_key();
    publish().await;
    server.activate_key(&key);
    loop {
        let token = server.new_token();
        if kid(&token) == key {
            return token;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits for the discovery provider, which asks the server each second.
pub(super) async fn publish() {
    tokio::time::sleep(Duration::from_millis(2500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn s4_31_rotations_of_spire_under_load_fail_no_request() {
    let server = shop().await;
    let load = Load::start(&verifier("policy.toml", server, None), server.token("orders", "billing")).await;
    for _ in 0..rotations() {
        load.send(rotated(server, async || server.write_bundle()).await);
        tokio::time::sleep(Duration::from_millis(1100)).await; // longer than the shortest cool-down
    }
    let codes = load.end().await;
    println!("{} rotations of SPIRE with a bundle file: {codes:?}", rotations());
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn s4_31_rotations_of_spire_behind_discovery_fail_no_request() {
    let _turn = TURN.lock().await;
    let (shop, server) = (shop().await, partner().await);
    let verifier = verifier("policy-discovery.toml", shop, Some(server));
    let load = Load::start(&verifier, server.token("orders", "billing")).await;
    for _ in 0..rotations() {
        load.send(rotated(server, publish).await);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let codes = load.end().await;
    println!("{} rotations of SPIRE behind its discovery provider: {codes:?}", rotations());
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn s4_15_two_rotations_of_spire_with_an_invented_kid_between_them_refuse_nobody() {
    let _turn = TURN.lock().await;
    let (shop, server) = (shop().await, partner().await);
    let (verifier, issuer) = (verifier("policy-discovery.toml", shop, Some(server)), server.discovery());
    let token = async || server.new_token();
    let rotate = async || drop(rotated(server, publish).await);
    let marked = |draft: TokenDraft| draft.claim("sub", "spiffe://partner.example/billing");
    rotation::with_an_invented_kid("SPIRE", (&verifier, &issuer), token, rotate, marked).await;
}
