//! Outages of the key server: which tokens stay valid, for how long, and the reported health.

use std::time::Duration;

use countersign::health::Health;
use countersign::key::KeyHealth;
use countersign::keys::{KeySnapshot, RefreshPolicy, RemoteKeys};

use crate::server::{Reply, Server, answer, ok};
use crate::world::{World, policy, until};

fn down() -> Reply {
    answer(503, &[], "")
}

#[tokio::test]
async fn s4_20_the_last_good_set_is_used_as_long_as_allowed_and_recovers() {
    let world = World::honest().await;
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    world.server.now(|_, _| down());
    // Fresh for 600 s, then stale for 3600 s.
    world.advance(Duration::from_secs(600 + 3600 - 60)).await;
    assert_eq!(world.verdict(&token).await, "ok");
    match world.health() {
        KeyHealth::Degraded { since, reason } => {
            let refresh_time = 1_700_000_480..=1_700_000_481; // timers are a millisecond late
            assert!(refresh_time.contains(&since.as_secs()), "{since:?}");
            assert!(reason.contains("503"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    world.advance(Duration::from_secs(121)).await;
    let error = world.verify(&token).await.expect_err("too old");
    assert!(error.is_unavailable() && error.retry_after().is_some());
    assert!(!Health::new(&world.verifier).is_ready());
    world.recover();
    world.advance(Duration::from_secs(61)).await;
    until("it recovered by itself", || world.health() == KeyHealth::Ready).await;
    assert_eq!(world.verdict(&token).await, "ok");
}

#[tokio::test]
async fn s4_20_a_response_without_the_key_makes_the_key_unknown() {
    let world = World::honest().await;
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    world.issuer.rotate();
    world.issuer.withdraw_old_keys();
    world.advance(Duration::from_secs(481)).await;
    world.server.asked(2).await;
    until("the new set is there", || world.verifier.cached_tokens() == 1 && world.health() == KeyHealth::Ready).await;
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&token).await, "unknown_key", "401, though the token's verification was cached");
    assert_eq!(world.verdict(&world.token()).await, "ok");
}

#[tokio::test]
async fn s4_15_after_a_failed_refresh_it_is_503_until_the_next_attempt() {
    let world = World::honest().await;
    let good = world.token();
    assert_eq!(world.verdict(&good).await, "ok");
    world.advance(Duration::from_secs(11)).await;
    world.server.now(|_, _| down());
    assert_eq!(world.verdict(&world.with_unknown_key(0)).await, "keys_unavailable");
    let failed = world.server.count();
    for number in 1..10 {
        world.advance(Duration::from_secs(1)).await;
        assert_eq!(world.verdict(&world.with_unknown_key(number)).await, "keys_unavailable");
        assert_eq!(world.verdict(&good).await, "ok");
    }
    assert_eq!(world.server.count(), failed, "no fetch before the cool-down is over");
    world.recover();
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(10)).await, "unknown_key", "the fetch succeeded");
    assert_eq!(world.server.count(), failed + 1);
}

#[tokio::test]
async fn s4_16_a_new_key_works_within_one_cool_down_during_a_flood() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(0)).await, "unknown_key"); // starts the cool-down
    world.advance(Duration::from_secs(1)).await;
    world.issuer.rotate();
    let new = world.token();
    let error = world.verify(&new).await.expect_err("not fetched yet");
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(Duration::from_secs(9))));
    for number in 1..9 {
        world.advance(Duration::from_secs(1)).await;
        assert_eq!(world.verdict(&world.with_unknown_key(number)).await, "keys_unavailable");
    }
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.verdict(&new).await, "ok", "ten seconds after the fetch");
}

#[tokio::test]
async fn s4_18_a_known_key_never_waits_for_a_server_that_hangs() {
    let world = World::honest().await;
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    world.server.now(|_, _| Reply::Hang);
    for _ in 0..1200 {
        world.advance(Duration::from_secs(1)).await;
        let fresh = world.issuer.token().audience("orders").sign();
        let mut asking = Box::pin(world.verify(&fresh));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(asking.as_mut().poll(&mut context).ready_and(|verdict| verdict.is_ok()), "it waited");
    }
    assert!(world.server.count() > 3, "the fetches continued");
}

#[tokio::test]
async fn s4_21_attempts_of_a_cold_start_are_a_second_to_a_minute_apart() {
    let world = World::with(|_, _| down()).await;
    let token = world.token();
    let mut attempts = Vec::new();
    let mut seen = 0;
    for second in 0..300_u64 {
        let error = world.verify(&token).await.expect_err("down");
        assert!(error.is_unavailable());
        if world.server.count() > seen {
            assert_eq!(world.server.count(), seen + 1, "two within a second");
            seen += 1;
            attempts.push(second);
        }
        world.advance(Duration::from_secs(1)).await;
    }
    let gaps: Vec<u64> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("gaps between attempts, in seconds: {gaps:?}");
    assert!(
        gaps.iter().all(|gap| (1..=61).contains(gap)) && gaps.windows(2).all(|pair| pair[0] <= pair[1]),
        "{gaps:?}"
    );
    world.recover();
    world.advance(Duration::from_secs(61)).await;
    until("it recovered by itself", || world.health() == KeyHealth::Ready).await;
    assert_eq!(world.verdict(&token).await, "ok");
}

#[tokio::test]
async fn retry_after_is_kept_within_a_minute() {
    for (named, pause) in [("30", 30), ("86400", 60)] {
        let world = World::with(move |_, _| answer(429, &[("retry-after", named)], "")).await;
        let token = world.token();
        assert_eq!(world.verdict(&token).await, "keys_unavailable");
        for _ in 0..pause - 1 {
            world.advance(Duration::from_secs(1)).await;
            assert_eq!(world.verdict(&token).await, "keys_unavailable");
        }
        assert_eq!(world.server.count(), 1, "{named}");
        world.recover();
        world.advance(Duration::from_secs(2)).await;
        until("it asked again", || world.health().is_ready()).await;
        assert_eq!(world.verdict(&token).await, "ok");
    }
}

#[tokio::test]
async fn a_cold_start_can_use_the_keys_of_an_earlier_run() {
    let world = World::honest().await;
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    let stored = world.keys.snapshot().expect("keys").to_json();
    assert!(!stored.contains("\"d\""), "{stored}");
    let stored = KeySnapshot::from_json(&stored).expect("its own output");

    world.server.now(|_, _| down());
    let again = |age: u64| {
        let clock = world.issuer.clock().clone();
        clock.advance(Duration::from_secs(age));
        let keys = RemoteKeys::from_url(format!("{}/jwks", world.server.url)).initial_snapshot(stored.clone());
        let keys = keys.refresh_policy(policy());
        let trusted = countersign::policy::NeedsAudience::new(&world.server.url, std::sync::Arc::new(keys));
        countersign::verify::Verifier::builder()
            .trust(trusted.audience("orders"))
            .clock(std::sync::Arc::new(clock))
            .build()
            .expect("a good policy")
    };
    for (aged, expected) in [(100, "ok"), (1900, "ok"), (2300, "keys_unavailable")] {
        let verifier = again(aged); // 100 s: fresh; 2000 s: stale, while the endpoint fails; 4300 s: expired
        let verdict = verifier.verify(&token).await.map_or_else(|error| error.code(), |_| "ok");
        assert_eq!(verdict, expected, "{aged} s later");
    }
    let mut early = countersign::clock::Clock::now(world.issuer.clock());
    early = early.saturating_sub(Duration::from_secs(86_400));
    world.issuer.clock().step_wall(early);
    let verdict = again(0).verify(&world.token()).await.map_or_else(|error| error.code(), |_| "ok");
    assert_eq!(verdict, "keys_unavailable", "a snapshot from the future has no known age");
    let other = RemoteKeys::from_url("https://other.example/jwks").initial_snapshot(stored);
    let trusted = countersign::policy::NeedsAudience::new("https://other.example", std::sync::Arc::new(other));
    let error = countersign::verify::Verifier::new(trusted.audience("orders")).expect_err("another source");
    assert!(error.to_string().contains("snapshot"), "{error}");
    assert!(KeySnapshot::from_json("{}").is_err());
}

#[tokio::test]
async fn s4_21_an_eager_start_waits_for_keys_until_its_deadline() {
    let world = World::with(|_, _| down()).await;
    let health = Health::new(&world.verifier);
    let (verdict, ()) =
        tokio::join!(health.ready_within(Duration::from_secs(5)), world.advance(Duration::from_secs(6)));
    let error = verdict.expect_err("down");
    assert_eq!(error.waiting_for.len(), 1);
    assert!(error.to_string().contains("503"), "{error}");
    world.recover();
    let recovery = async {
        for _ in 0..70 {
            world.advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
    };
    let (verdict, ()) = tokio::join!(health.ready_within(Duration::from_secs(300)), recovery);
    assert_eq!(verdict, Ok(()));
    assert_eq!(world.verdict(&world.token()).await, "ok");
}

#[tokio::test]
async fn impossible_policies_are_refused_at_build() {
    let bad: [fn(&mut RefreshPolicy); 6] = [
        |policy| policy.min_lifetime = Duration::ZERO,
        |policy| policy.cool_down = Duration::ZERO,
        |policy| policy.refresh_ahead = f64::NAN,
        |policy| policy.max_wait = policy.timeout * 2,
        |policy| policy.default_lifetime = policy.max_lifetime * 2,
        |policy| policy.initial_backoff = Duration::ZERO,
    ];
    for change in bad {
        let mut changed = policy();
        change(&mut changed);
        let keys = std::sync::Arc::new(RemoteKeys::from_url("https://id.example/jwks").refresh_policy(changed.clone()));
        let trusted = countersign::policy::NeedsAudience::new("https://id.example", keys).audience("orders");
        assert!(countersign::verify::Verifier::new(trusted).is_err(), "{changed:?}");
    }
    let server = Server::start(|_, _| ok("{}")).await;
    assert_eq!(server.count(), 0);
}

/// `Poll::is_ready` with a condition on the value.
trait ReadyAnd<T> {
    fn ready_and(self, holds: impl FnOnce(T) -> bool) -> bool;
}

impl<T> ReadyAnd<T> for std::task::Poll<T> {
    fn ready_and(self, holds: impl FnOnce(T) -> bool) -> bool {
        match self {
            std::task::Poll::Ready(value) => holds(value),
            std::task::Poll::Pending => false,
        }
    }
}
