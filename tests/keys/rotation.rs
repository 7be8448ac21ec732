//! Rotations with overlap: no genuine token is refused, and hardly a fetch is spent.

use std::time::Duration;

use countersign::key::KeyHealth;

use crate::world::{World, until};

#[tokio::test]
async fn s4_31_fifty_rotations_by_the_clock_refuse_nobody() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let mut refused = Vec::new();
    for round in 0..50 {
        let old = world.token();
        world.issuer.rotate(); // signs at once with a key that no verifier knows: harsher than an issuer should be
        let new = world.token();
        for second in 0..120 {
            for token in [&old, &new] {
                if let Err(error) = world.verify(token).await {
                    refused.push(format!("round {round}, second {second}: {error}"));
                }
            }
            world.advance(Duration::from_secs(1)).await;
        }
        world.issuer.withdraw_old_keys();
        world.issuer.rotate();
    }
    let forced = world.server.heads().iter().filter(|head| head.contains("no-cache")).count();
    println!("50 rotations: {} refused, {} fetches, {forced} forced", refused.len(), world.server.count());
    assert_eq!(refused, Vec::<String>::new());
    assert!(forced <= 1 + 50, "{forced}");
}

#[tokio::test]
async fn a_rotation_right_after_the_cold_start_is_followed_at_once() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    world.issuer.rotate();
    assert_eq!(world.verdict(&world.token()).await, "ok", "no moment after the first fetch was too soon to look");
    assert_eq!(world.server.count(), 2);
}

/// CVE-2025-22149: withdrawn keys were kept after a refresh.
#[tokio::test]
async fn s4_08_withdrawn_keys_die_at_the_next_fetch() {
    let world = World::honest().await;
    let old = world.token();
    assert_eq!(world.verdict(&old).await, "ok");
    assert_eq!(world.verdict(&old).await, "ok");
    assert_eq!(world.verifier.stats().from_cache, 1);
    world.issuer.rotate();
    world.issuer.withdraw_old_keys();
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.token()).await, "ok", "met the new key, looked, and was served");
    assert_eq!(world.verdict(&old).await, "unknown_key", "also from the cache (S11.05)");
}

#[tokio::test]
async fn changing_keys_at_every_answer_serves_what_was_answered_last() {
    let world = World::honest().await;
    let issuer = world.issuer.clone();
    world.server.now(move |_, _| {
        issuer.rotate();
        issuer.withdraw_old_keys();
        crate::server::ok(issuer.jwks())
    });
    assert_eq!(world.verdict(&world.token()).await, "unknown_key", "signed before the answer changed the key");
    for _ in 0..5 {
        assert_eq!(world.verdict(&world.token()).await, "ok");
        let before = world.token();
        world.advance(Duration::from_secs(481)).await;
        until("it landed", || world.health() == KeyHealth::Ready && world.issuer.token().sign() != before).await;
    }
}
