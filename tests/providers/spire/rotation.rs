//! Rotations of JWT keys while requests arrive.

use std::time::Duration;

use super::server::Spire;
use super::{partner, shop, verifier};
use crate::load::{Load, kid, rotations};

/// Publishes a key, lets `publish` bring it to the verifier, and waits for a token that has it.
async fn rotated(server: &Spire, publish: impl AsyncFnOnce()) -> String {
    let key = server.prepare_key();
    publish().await;
    server.activate_key(&key);
    loop {
        // The agent keeps a token until half of its lifetime is over, but for a new audience it gets a new one.
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let token = server.token(&format!("orders,rotation-{number}"), "billing");
        if kid(&token) == key {
            return token;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
    let (shop, server) = (shop().await, partner().await);
    let verifier = verifier("policy-discovery.toml", shop, Some(server));
    let load = Load::start(&verifier, server.token("orders", "billing")).await;
    for _ in 0..rotations() {
        // The discovery provider asks the server each second.
        let publish = async || tokio::time::sleep(Duration::from_millis(2500)).await;
        load.send(rotated(server, publish).await);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let codes = load.end().await;
    println!("{} rotations of SPIRE behind its discovery provider: {codes:?}", rotations());
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}
