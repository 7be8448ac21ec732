//! Rotations with overlap: no genuine token is refused, and few fetches are needed.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::key::KeyHealth;

use crate::world::{World, until};

#[tokio::test]
async fn s4_31_fifty_scheduled_rotations_refuse_no_token() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let mut refused = Vec::new();
    for round in 0..50 {
        let old = world.token();
        world.issuer.rotate(); // signs at once with a key that no verifier knows, which real issuers avoid
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
    assert_eq!(world.verdict(&world.token()).await, "ok", "no cool-down follows the first fetch");
    assert_eq!(world.server.count(), 2);
}

/// CVE-2025-22149: withdrawn keys stayed in use after a refresh.
#[tokio::test]
async fn s4_08_withdrawn_keys_are_gone_after_the_next_fetch() {
    let world = World::honest().await;
    let old = world.token();
    assert_eq!(world.verdict(&old).await, "ok");
    assert_eq!(world.verdict(&old).await, "ok");
    assert_eq!(world.verifier.stats().from_cache, 1);
    world.issuer.rotate();
    world.issuer.withdraw_old_keys();
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.token()).await, "ok", "the new key caused a fetch");
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.verdict(&old).await, "unknown_key", "also from the cache (S11.05)");
}

#[tokio::test]
async fn with_new_keys_in_every_response_the_last_ones_are_used() {
    let world = World::honest().await;
    let issuer = world.issuer.clone();
    world.server.now(move |_, _| {
        issuer.rotate();
        issuer.withdraw_old_keys();
        crate::server::ok(issuer.jwks())
    });
    assert_eq!(world.verdict(&world.token()).await, "unknown_key", "signed before the response changed the key");
    for _ in 0..5 {
        assert_eq!(world.verdict(&world.token()).await, "ok");
        let before = world.token();
        world.advance(Duration::from_secs(481)).await;
        until("the fetch finished", || world.health() == KeyHealth::Ready && world.issuer.token().sign() != before)
            .await;
    }
}

/// Verifies tokens at 50 a second while `each_second` changes the issuer; returns the number of answers by code.
async fn under_load(
    world: &World,
    seconds: u64,
    mut each_second: impl AsyncFnMut(u64),
) -> BTreeMap<&'static str, usize> {
    let mut requests = Vec::new();
    for second in 0..seconds {
        each_second(second).await;
        for _ in 0..50 {
            let (verifier, token) = (world.verifier.clone(), world.token());
            let code = async move { verifier.verify(&token).await.map_or_else(|error| error.code(), |_| "ok") };
            requests.push(tokio::spawn(code));
            world.advance(Duration::from_millis(20)).await;
        }
    }
    world.advance(Duration::from_secs(3)).await;
    let mut codes = BTreeMap::new();
    for code in requests {
        *codes.entry(code.await.expect("no panic")).or_default() += 1;
    }
    codes
}

#[tokio::test]
async fn s4_15_rotations_every_two_seconds_fail_nobody() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let codes = under_load(&world, 60, async |second| {
        if second % 2 == 0 {
            world.issuer.rotate();
        }
    })
    .await;
    println!("a rotation every 2 s: {codes:?}");
    assert_eq!(codes.get("ok"), Some(&3000));
}

#[tokio::test]
async fn s4_15_two_rotations_in_a_row_cost_at_most_a_second() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let codes = under_load(&world, 60, async |second| {
        if second % 20 < 2 {
            world.issuer.rotate();
            if second % 20 == 0 {
                assert_eq!(world.verdict(&world.token()).await, "ok");
                world.issuer.rotate();
            }
        }
    })
    .await;
    println!("two rotations at once, and one a second later: {codes:?}");
    assert_eq!(codes.get("unknown_key"), None);
    assert!(codes.get("keys_unavailable").is_none_or(|count| *count <= 3 * 2 * 50), "{codes:?}");
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s4_15_rotations_with_an_invented_kid_before_each_refuse_no_good_token() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let codes = under_load(&world, 110, async |second| {
        if second % 11 == 10 {
            let code = world.verdict(&world.with_unknown_key(1)).await;
            assert!(["unknown_key", "keys_unavailable"].contains(&code), "{code}");
        }
        if second % 11 == 0 {
            world.issuer.rotate();
        }
    })
    .await;
    println!("a rotation every 11 s with an invented kid before each: {codes:?}");
    assert_eq!(codes.get("unknown_key"), None, "never 401");
    let unavailable = codes.get("keys_unavailable").copied().unwrap_or_default();
    assert!(unavailable * 100 < codes["ok"], "under one in a hundred: {codes:?}");
}

/// One request in twenty names an invented key, each another.
#[tokio::test]
async fn s4_15_a_rotation_every_five_seconds_beside_invented_kids_fails_nobody() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let mut invented = Vec::new();
    let codes = under_load(&world, 60, async |second| {
        if second % 5 == 0 {
            world.issuer.rotate();
        }
        for number in 0..3 {
            let number = usize::try_from(second).expect("few") * 3 + number;
            let (verifier, token) = (world.verifier.clone(), world.with_unknown_key(number));
            invented.push(tokio::spawn(async move { verifier.verify(&token).await.is_err() }));
        }
    })
    .await;
    println!("a rotation every 5 s beside invented kids: {codes:?}, {} fetches", world.server.count());
    for refused in invented {
        assert!(refused.await.expect("no panic"));
    }
    let unavailable = codes.get("keys_unavailable").copied().unwrap_or_default();
    assert_eq!(codes.get("unknown_key"), None, "never 401");
    assert!(unavailable * 100 < codes["ok"], "under one in a hundred: {codes:?}");
    assert!(world.server.count() <= 1 + 60, "{}", world.server.count());
}
