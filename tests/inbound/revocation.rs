//! Revocation checks: for each request, for cached tokens too, by the claims of a token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::clock::{Clock, UnixTime};
use countersign::prelude::*;
use countersign::response::Detail;
use countersign::revocation::{
    Revocation, RevocationCheck, RevocationList, RevocationQuery, RevocationStatus, SingleUse, UnknownPolicy,
};
use countersign::verify::Verified;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

use crate::app::{builder, good, who};

async fn serve(issuer: &TestIssuer, revocation: impl Into<Revocation>) -> Service {
    let layer = builder(issuer).revocation(revocation).detail(Detail::Code).build().expect("a layer");
    Service::start(Router::new().route("/", get(who)).layer(layer)).await
}

#[tokio::test]
async fn s11_06_a_token_is_revoked_by_issuer_and_jti_from_the_next_request_on() {
    let issuer = TestIssuer::new();
    let revoked = Arc::new(RevocationList::new());
    let service = serve(&issuer, Arc::clone(&revoked)).await;
    let (one, other) = (good(&issuer).claim("jti", "one").sign(), good(&issuer).claim("jti", "other").sign());
    for token in [&one, &other, &one] {
        assert_eq!(service.get("/", token).await.status, 200);
    }
    let end = issuer.clock().now().saturating_add(Duration::from_secs(3600));
    revoked.revoke_token("https://another.test", "one", end).expect("room");
    assert_eq!(service.get("/", &one).await.status, 200, "another issuer's token of that name");
    revoked.revoke_token(issuer.name(), "one", end).expect("room");
    let answer = service.get("/", &one).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "although it is cached");
    assert_eq!(answer.json()["reason"], "revoked");
    assert!(answer.challenge().contains("error=\"invalid_token\""));
    assert_eq!(service.get("/", &other).await.status, 200);
    // Signed again with the same `jti`: other bytes, the same token.
    let again = good(&issuer).claim("jti", "one").claim("extra", 1).sign();
    assert_eq!(service.get("/", &again).await.status, 401);
}

#[tokio::test]
async fn a_subjects_tokens_are_revoked_by_their_time_of_issue() {
    let issuer = TestIssuer::new();
    let revoked = Arc::new(RevocationList::new());
    let service = serve(&issuer, Arc::clone(&revoked)).await;
    let old = good(&issuer).sign();
    assert_eq!(service.get("/", &old).await.status, 200);
    issuer.clock().advance(Duration::from_secs(10));
    revoked.revoke_subject(issuer.name(), "u1", issuer.clock().now(), Duration::from_secs(3600)).expect("room");
    let (new, of_other) = (good(&issuer).sign(), good(&issuer).subject("u2").sign());
    let undated = good(&issuer).without_claim("iat").sign();
    assert_eq!(service.get("/", &old).await.status, 401);
    assert_eq!(service.get("/", &undated).await.status, 401, "nothing shows that it is newer");
    assert_eq!(service.get("/", &new).await.status, 200);
    assert_eq!(service.get("/", &of_other).await.status, 200);
    // An earlier revocation that comes late takes nothing back.
    let earlier = issuer.clock().now().saturating_sub(Duration::from_secs(3600));
    revoked.revoke_subject(issuer.name(), "u1", earlier, Duration::ZERO).expect("room");
    assert_eq!(service.get("/", &old).await.status, 401);
    assert_eq!(service.get("/", &new).await.status, 200);
}

/// The caller's clock may read 1970 when it revokes: the list's clock counts then, or the caller is told.
#[tokio::test]
async fn s15_10_a_revocation_by_a_clock_that_was_never_set_counts_from_now_or_fails() {
    let issuer = TestIssuer::new();
    let (old, old_of_client) = (good(&issuer).sign(), good(&issuer).subject("u2").client_id("kiosk").sign());
    let unset = UnixTime::from_secs(5);
    let revoked = Arc::new(RevocationList::new());
    let service = serve(&issuer, Arc::clone(&revoked)).await;
    issuer.clock().advance(Duration::from_secs(10));
    revoked.revoke_subject(issuer.name(), "u1", unset, Duration::from_secs(3600)).expect("room");
    revoked.revoke_client(issuer.name(), "kiosk", unset, Duration::from_secs(3600)).expect("room");
    let new = good(&issuer).sign();
    assert_eq!(service.get("/", &old).await.status, 401);
    assert_eq!(service.get("/", &old_of_client).await.status, 401);
    assert_eq!(service.get("/", &new).await.status, 200);

    let now = issuer.clock().now();
    issuer.clock().step_wall(unset);
    assert!(revoked.revoke_subject(issuer.name(), "u3", unset, Duration::from_secs(3600)).is_err(), "at which time?");
    revoked.revoke_subject(issuer.name(), "u3", now, Duration::from_secs(3600)).expect("the caller knows the time");
}

#[test]
fn the_list_is_bounded_returns_an_error_when_full_and_removes_expired_entries() {
    let issuer = TestIssuer::new();
    let revoked = Arc::new(RevocationList::new().max_entries(100));
    builder(&issuer).revocation(Arc::clone(&revoked)).build().expect("it takes the verifier's clock");
    let end = issuer.clock().now().saturating_add(Duration::from_secs(60));
    for number in 0..100 {
        revoked.revoke_token(issuer.name(), &number.to_string(), end).expect("room");
    }
    revoked.revoke_token(issuer.name(), "7", end).expect("it is there already");
    let full = revoked.revoke_token(issuer.name(), "one too many", end).expect_err("no room");
    assert!(full.to_string().contains("max_entries"), "it states the fix: {full}");
    assert_eq!(revoked.len(), 100, "none was dropped for it");
    issuer.clock().advance(Duration::from_secs(60 + 300)); // their end, and the longest leeway past it
    assert!(revoked.revoke_token(issuer.name(), "one too many", end).is_err(), "the last moment still counts");
    issuer.clock().advance(Duration::from_secs(1024)); // by which it is rounded
    revoked.revoke_token(issuer.name(), "one too many", UnixTime::MAX).expect("the others are over");
    assert_eq!(revoked.len(), 1);
    assert!(!format!("{revoked:?}").contains("one too many"), "S10.02: names are personal");
}

/// A remote list that answers with a given status, or never.
#[derive(Debug)]
struct Remote(Option<RevocationStatus>);

impl RevocationCheck for Remote {
    fn check(&self, _: &Arc<Verified>) -> RevocationQuery {
        match self.0 {
            Some(verdict) => RevocationQuery::Pending(Box::pin(async move {
                tokio::task::yield_now().await;
                verdict
            })),
            None => RevocationQuery::Pending(Box::pin(std::future::pending())),
        }
    }
}

#[tokio::test]
async fn a_remote_list_is_awaited_within_a_limit_and_the_unknown_policy_decides() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let refuse = |verdict| Revocation::new(Arc::new(Remote(verdict))).timeout(Duration::from_millis(1));
    let accept = |verdict| refuse(verdict).unknown_policy(UnknownPolicy::FailOpen);
    let patient = |verdict| Revocation::new(Arc::new(Remote(verdict))).timeout(Duration::from_secs(600));
    let cases = [
        (patient(Some(RevocationStatus::Valid)), 200),
        (patient(Some(RevocationStatus::Revoked)), 401),
        (patient(Some(RevocationStatus::Unknown)), 503),
        (patient(Some(RevocationStatus::Revoked)).unknown_policy(UnknownPolicy::FailOpen), 401),
        (patient(Some(RevocationStatus::Unknown)).unknown_policy(UnknownPolicy::FailOpen), 200),
        (refuse(None), 503),
        (accept(None), 200),
    ];
    for (revocation, status) in cases {
        let name = format!("{revocation:?}");
        let service = serve(&issuer, revocation).await;
        for _ in ["verified", "cached"] {
            let answer = service.get("/", &token).await;
            assert_eq!(answer.status, status, "{name}");
            if status == 503 {
                assert_eq!(answer.code(), "revocation_unavailable");
                assert_eq!((answer.header("retry-after"), answer.challenge()), (Some("1"), ""));
            }
        }
        assert_eq!(
            service.get("/", &good(&issuer).expired().sign()).await.status,
            401,
            "only valid tokens are checked"
        );
        assert_eq!(service.request("GET /", &[]).await.status, 401);
    }
}

#[tokio::test]
async fn the_callers_token_survives_the_wait() {
    let issuer = TestIssuer::new();
    let check = Revocation::new(Arc::new(Remote(Some(RevocationStatus::Valid)))).timeout(Duration::from_secs(600));
    let layer = builder(&issuer).revocation(check).keep_caller_token().build().expect("a layer");
    let handler = get(|token: CallerToken| async move { token.expires_at().as_secs().to_string() });
    let service = Service::start(Router::new().route("/", handler).layer(layer)).await;
    assert_eq!(service.get("/", &good(&issuer).sign()).await.status, 200);
}

#[test]
fn a_check_used_with_two_clocks_is_a_configuration_fault() {
    let (one, other) = (TestIssuer::new(), TestIssuer::new());
    let checks: [Revocation; 2] = [Arc::new(RevocationList::new()).into(), Revocation::new(Arc::new(SingleUse::new()))];
    for check in checks {
        builder(&one).revocation(check.clone()).build().expect("the first clock");
        builder(&one).revocation(check.clone()).build().expect("the same clock");
        let error = builder(&other).revocation(check).build().expect_err("another clock");
        assert_eq!(error.faults()[0].field, "revocation", "{error}");
    }
}

#[tokio::test]
async fn s3_25_s11_06_a_token_of_single_use_passes_once_also_of_two_at_once() {
    let issuer = TestIssuer::new();
    let service = serve(&issuer, Arc::new(SingleUse::new())).await;
    let token = good(&issuer).claim("jti", "once").sign();
    let pair = tokio::join!(service.get("/", &token), service.get("/", &token));
    let mut statuses = [pair.0.status, pair.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_eq!(service.get("/", &token).await.json()["reason"], "revoked", "from the cache");
    let again = good(&issuer).claim("jti", "once").claim("extra", 1).sign();
    assert_eq!(service.get("/", &again).await.status, 401, "other bytes, the same token");
    assert_eq!(service.get("/", &good(&issuer).claim("jti", "other").sign()).await.status, 200);
    assert_eq!(service.get("/", &good(&issuer).without_claim("jti").sign()).await.status, 401);
    assert_eq!(service.get("/", &good(&issuer).claim("jti", "").sign()).await.status, 401, "it names no token");
}

#[tokio::test]
async fn s3_25_without_room_for_a_used_token_it_is_503_until_some_expire() {
    let issuer = TestIssuer::new();
    let service = serve(&issuer, Arc::new(SingleUse::new().max_entries(1))).await;
    let mut unavailable = 0;
    for number in 0..200 {
        let token = good(&issuer).claim("jti", number.to_string()).sign();
        match service.get("/", &token).await.status {
            503 => unavailable += 1,
            status => assert_eq!((status, service.get("/", &token).await.status), (200, 401)),
        }
    }
    assert!((136..200).contains(&unavailable), "{unavailable} of 200, over 64 shards");
    issuer.clock().advance(Duration::from_secs(3600 + 301));
    assert_eq!(service.get("/", &good(&issuer).claim("jti", "later").sign()).await.status, 200);
}

/// What the check says of a token, without HTTP.
async fn status(verifier: &Verifier, check: &dyn RevocationCheck, token: &str) -> Option<RevocationStatus> {
    let verified = verifier.verify(token).await.ok()?;
    match check.check(&verified) {
        RevocationQuery::Known(status) => Some(status),
        other => panic!("{other:?}"),
    }
}

/// A clock that goes ahead and comes back, as an administrator or NTP sets it: while it is ahead the list is filled and swept.
#[tokio::test]
async fn s11_06_a_revocation_stands_through_a_clock_that_goes_ahead_and_comes_back() {
    for (ahead, stays) in [(600, 0), (86_400, 0), (86_400, 10), (86_400, 4 * 3600)] {
        let issuer = TestIssuer::new();
        let list = Arc::new(RevocationList::new().max_entries(4));
        let service = serve(&issuer, Arc::clone(&list)).await;
        let start = issuer.clock().now();
        let end = start.saturating_add(Duration::from_secs(86_400));
        let draft = |id: &str| good(&issuer).lifetime(Duration::from_secs(86_400)).claim("jti", id).sign();
        let (before, during, innocent) = (draft("before"), draft("during"), draft("innocent"));
        list.revoke_token(issuer.name(), "before", end).expect("room");

        issuer.clock().step_wall(start.saturating_add(Duration::from_secs(ahead + 86_400)));
        list.revoke_token(issuer.name(), "during", end).expect("room");
        for number in 0..20 {
            // Both clocks go on while it is ahead, and the list is full: each addition sweeps.
            issuer.clock().advance(Duration::from_secs(stays / 20));
            let _ = list.revoke_token(issuer.name(), &format!("other {number}"), end);
        }
        issuer.clock().step_wall(start.saturating_add(Duration::from_secs(stays)));
        for (name, token) in [("before", &before), ("during", &during)] {
            let answer = service.get("/", token).await;
            let expected: &[u16] = if stays < 3600 { &[401] } else { &[401, 503] };
            assert!(expected.contains(&answer.status), "{name}, {ahead} s ahead for {stays} s: {answer:?}");
        }
        if stays < 3600 {
            assert_eq!(service.get("/", &innocent).await.status, 200, "and nobody else is refused");
        }
    }
}

#[tokio::test]
async fn s11_06_what_was_removed_at_its_time_is_not_accepted_when_the_clock_goes_back() {
    let issuer = TestIssuer::new();
    let (list, used) = (Arc::new(RevocationList::new().max_entries(1)), Arc::new(SingleUse::new().max_entries(1)));
    let verifier = issuer.verifier_for("api");
    for revocation in [Revocation::new(Arc::clone(&list)), Revocation::new(Arc::clone(&used))] {
        builder(&issuer).revocation(revocation).build().expect("it takes the verifier's clock");
    }
    let start = issuer.clock().now();
    let token = good(&issuer).claim("jti", "one").sign();
    let long = good(&issuer).lifetime(Duration::from_secs(90_000)).claim("jti", "long").sign();
    let end = start.saturating_add(Duration::from_secs(3600));
    list.revoke_token(issuer.name(), "one", end).expect("room");
    assert_eq!(status(&verifier, &*used, &token).await, Some(RevocationStatus::Valid));

    issuer.clock().advance(Duration::from_secs(2 * 3600));
    list.revoke_token(issuer.name(), "another", UnixTime::MAX).expect("the first is over");
    for number in 0..200 {
        // Every shard is swept.
        status(&verifier, &*used, &good(&issuer).claim("jti", format!("other {number}")).sign()).await;
    }
    issuer.clock().step_wall(start);
    assert_eq!(status(&verifier, &*list, &token).await, Some(RevocationStatus::Unknown));
    assert_ne!(status(&verifier, &*used, &token).await, Some(RevocationStatus::Valid), "used once, before");
    assert_eq!(status(&verifier, &*list, &long).await, Some(RevocationStatus::Valid), "it outlives what was removed");
    assert_eq!(list.len(), 1);
}

/// A machine whose clock reads 1970 until it is set, as one without a battery does.
#[tokio::test]
async fn s11_06_a_revocation_made_in_1970_stands_after_the_clock_is_set() {
    let issuer = TestIssuer::new();
    let list = Arc::new(RevocationList::new().max_entries(2));
    let service = serve(&issuer, Arc::clone(&list)).await;
    let start = issuer.clock().now();
    let month = Duration::from_secs(30 * 86_400);
    let token = good(&issuer).lifetime(month).claim("jti", "revoked").sign();
    issuer.clock().step_wall(UnixTime::from_secs(5));
    list.revoke_token(issuer.name(), "revoked", start.saturating_add(month)).expect("room");
    issuer.clock().step_wall(start);
    for number in 0..3 {
        // A full list is swept.
        issuer.clock().advance(Duration::from_secs(3601));
        let _ = list.revoke_token(issuer.name(), &format!("other {number}"), start.saturating_add(month));
    }
    assert_eq!(service.get("/", &token).await.status, 401);
    let other = good(&issuer).claim("jti", "good").sign();
    assert_eq!(service.get("/", &other).await.status, 200);
}

/// Thousands of random steps of the clock: no token whose revocation, or use, was acknowledged is ever valid again.
#[tokio::test]
async fn s11_06_no_sequence_of_clock_steps_makes_a_list_forget() {
    for seed in 0..3 {
        let mut random = fastrand::Rng::with_seed(seed);
        let issuer = TestIssuer::new();
        let verifier = issuer.verifier_for("api");
        let list = Arc::new(RevocationList::new().max_entries(8));
        let used = Arc::new(SingleUse::new().max_entries(1));
        for revocation in [Revocation::new(Arc::clone(&list)), Revocation::new(Arc::clone(&used))] {
            builder(&issuer).revocation(revocation).build().expect("it takes the verifier's clock");
        }
        let (mut revoked, mut spent) = (Vec::new(), Vec::new());
        for number in 0..400 {
            let now = issuer.clock().now();
            match random.u32(..8) {
                0 => issuer.clock().step_wall(now.saturating_add(Duration::from_secs(random.u64(..100_000)))),
                1 => issuer.clock().step_wall(now.saturating_sub(Duration::from_secs(random.u64(..100_000)))),
                2 => issuer.clock().advance(Duration::from_secs(random.u64(..5_000))),
                _ => {}
            }
            let lifetime = Duration::from_secs(random.u64(60..7_200));
            let (id, made_at) = (format!("{number}"), issuer.clock().now());
            let token = good(&issuer).lifetime(lifetime).claim("jti", id.as_str()).sign();
            let expires_at = made_at.saturating_add(lifetime);
            if random.bool() {
                if list.revoke_token(issuer.name(), &id, expires_at).is_ok() {
                    revoked.push((token, made_at));
                }
            } else if status(&verifier, &*used, &token).await == Some(RevocationStatus::Valid) {
                spent.push((token, made_at));
            }
            if random.u32(..4) > 0 {
                continue;
            }
            let time = issuer.clock().now();
            for (token, made_at) in &revoked {
                issuer.clock().step_wall(*made_at); // the verifier accepts it
                let found = status(&verifier, &*list, token).await.expect("verified");
                assert_ne!(found, RevocationStatus::Valid, "seed {seed}, step {number}");
            }
            for (token, made_at) in &spent {
                issuer.clock().step_wall(*made_at);
                let found = status(&verifier, &*used, token).await.expect("verified");
                assert_ne!(found, RevocationStatus::Valid, "seed {seed}, step {number}");
            }
            issuer.clock().step_wall(time);
        }
        assert!(revoked.len() > 5 && spent.len() > 5, "{} and {}", revoked.len(), spent.len());
    }
}

/// One issuer, and one subject, revoke 1,000 tokens a second for a minute and never let go: all others still can.
#[tokio::test]
async fn s15_01_one_issuer_or_subject_cannot_fill_the_list_of_revocations() {
    let (issuer, partner) = (TestIssuer::new(), TestIssuer::new().with_name("https://partner.test"));
    let list = RevocationList::new().max_entries(1_000);
    let full =
        (0..60_000).filter(|n| list.revoke_token(partner.name(), &n.to_string(), UnixTime::MAX).is_err()).count();
    assert_eq!((full, list.len()), (59_000, 1_000));
    for number in 0..400 {
        list.revoke_token(issuer.name(), &number.to_string(), UnixTime::MAX).expect("room for another issuer");
    }

    let list = Arc::new(RevocationList::new().max_entries(1_000));
    builder(&issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
    let verifier = issuer.verifier_for("api");
    let token = |subject: String, id: usize| good(&issuer).subject(subject).claim("jti", id.to_string()).sign();
    let mut refused = 0;
    for id in 0..2_000 {
        let token = verifier.verify(&token("busy".into(), id)).await.expect("verified");
        refused += usize::from(list.revoke(&token).is_err());
    }
    assert_eq!(refused, 1_500, "half of its issuer's share");
    for id in 0..400 {
        let token = verifier.verify(&token(format!("user {id}"), 10_000 + id)).await.expect("verified");
        list.revoke(&token).expect("room for every other subject");
        assert_eq!(status_of(&*list, &token), RevocationStatus::Revoked);
    }
    let undated = verifier.verify(&good(&issuer).without_claim("jti").sign()).await.expect("verified");
    assert!(list.revoke(&undated).is_err(), "it has no name to revoke it by");
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_one_subject_or_issuer_cannot_use_up_the_places_of_used_tokens() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let used = Arc::new(SingleUse::new().max_entries(6_400));
    builder(&issuer).revocation(Arc::clone(&used)).build().expect("it takes the verifier's clock");
    let spend = async |subject: String, id: usize| {
        let token = good(&issuer).subject(subject).claim("jti", id.to_string()).sign();
        status_of(&*used, &verifier.verify(&token).await.expect("verified"))
    };
    let mut unknown = 0;
    for id in 0..8_000 {
        unknown += usize::from(spend("busy".into(), id).await == RevocationStatus::Unknown);
    }
    assert!((4_700..5_000).contains(&unknown), "refused are {unknown} of 8,000: half of the issuer's share is taken");
    for id in 0..500 {
        assert_eq!(spend(format!("user {id}"), 10_000 + id).await, RevocationStatus::Valid, "{id}");
    }
    assert_eq!(spend("busy".into(), 7).await, RevocationStatus::Revoked, "what was used stays used");
}

/// Many subjects of one issuer revoke and spend tokens at full speed: each other subject still can, and so can the operator.
#[tokio::test]
async fn s15_01_many_busy_subjects_keep_neither_others_nor_the_operator_from_revoking() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let used = Arc::new(SingleUse::new().max_entries(2_560));
    let list = Arc::new(RevocationList::new().max_entries(200));
    builder(&issuer).revocation(Arc::clone(&used)).build().expect("it takes the verifier's clock");
    builder(&issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
    let token = async |subject: String, id: String| {
        verifier.verify(&good(&issuer).subject(subject).claim("jti", id).sign()).await.expect("verified")
    };
    let mut refused = 0;
    for id in 0..120 {
        for busy in 0..5 {
            let token = token(format!("busy {busy}"), format!("{busy}-{id}")).await;
            let is_over = status_of(&*used, &token) == RevocationStatus::Unknown;
            refused += usize::from(list.revoke(&token).is_err() || is_over);
        }
    }
    assert!(refused > 400, "{refused}");
    for user in 0..20 {
        let token = token(format!("user {user}"), format!("of user {user}")).await;
        list.revoke(&token).expect("room for every other subject");
        assert_eq!(status_of(&*used, &token), RevocationStatus::Valid, "{user}");
    }
    let (now, hour) = (issuer.clock().now(), Duration::from_secs(3600));
    for number in 0..40 {
        list.revoke_token(issuer.name(), &format!("leaked {number}"), UnixTime::MAX).expect("room for the operator");
    }
    list.revoke_subject(issuer.name(), "busy 0", now, hour).expect("room for the operator");
    list.revoke_client(issuer.name(), "web", now, hour).expect("room for the operator");
}

/// A refused revocation costs no search through the list, except once a second.
#[tokio::test]
async fn s15_01_a_full_list_is_searched_at_most_once_a_second() {
    let issuer = TestIssuer::new();
    let list = Arc::new(RevocationList::new().max_entries(1));
    builder(&issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
    let revoke = |id: &str, expires_at| list.revoke_token(issuer.name(), id, expires_at);
    let half = Duration::from_millis(500);
    let unit = 1024; // seconds, to which the time of an entry is rounded up
    let end = UnixTime::from_secs(((issuer.clock().now().as_secs() + 300) / unit + 1) * unit);
    revoke("first", end.saturating_sub(Duration::from_secs(300))).expect("room");
    issuer.clock().advance(end.saturating_since(issuer.clock().now())); // for which it is kept
    assert!(revoke("second", UnixTime::MAX).is_err(), "searched, and nothing was over");
    issuer.clock().advance(half);
    assert!(revoke("second", UnixTime::MAX).is_err(), "searched just now");
    issuer.clock().advance(half);
    revoke("second", UnixTime::MAX).expect("room");
}

/// Tokens without a subject belong to their clients: one client at full speed takes no place of another.
#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_s15_05_one_client_without_subjects_cannot_use_up_the_places_of_others() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let used = Arc::new(SingleUse::new().max_entries(6_400));
    let list = Arc::new(RevocationList::new().max_entries(1_000));
    builder(&issuer).revocation(Arc::clone(&used)).build().expect("it takes the verifier's clock");
    builder(&issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
    let token = async |client: &str, id: usize| {
        let draft = good(&issuer).without_claim("sub").claim("client_id", client).claim("jti", id.to_string());
        verifier.verify(&draft.sign()).await.expect("verified")
    };
    let (mut unknown, mut full) = (0, 0);
    for id in 0..8_000 {
        let token = token("busy", id).await;
        unknown += usize::from(status_of(&*used, &token) == RevocationStatus::Unknown);
        full += usize::from(list.revoke(&token).is_err());
    }
    assert!((4_700..5_000).contains(&unknown) && full == 7_500, "{unknown} and {full} of 8,000");
    for id in 0..400 {
        let token = token(&format!("client {id}"), 10_000 + id).await;
        assert_eq!(status_of(&*used, &token), RevocationStatus::Valid, "{id}");
        list.revoke(&token).expect("room for every other client");
    }
    let of_user = good(&issuer).subject("busy").claim("client_id", "web").claim("jti", "x").sign();
    let of_user = verifier.verify(&of_user).await.expect("verified");
    assert_eq!(status_of(&*used, &of_user), RevocationStatus::Valid, "a subject of that name is another");
    list.revoke(&of_user).expect("room for a subject of that name");
}

fn status_of(check: &dyn RevocationCheck, token: &Arc<Verified>) -> RevocationStatus {
    match check.check(token) {
        RevocationQuery::Known(status) => status,
        other => panic!("{other:?}"),
    }
}

/// S15.05: what a token does not name, no list can find. S3.24 and the kin: unknown is never "not revoked".
#[tokio::test]
async fn s11_06_a_token_that_no_revocation_could_name_is_unknown() {
    use RevocationStatus::{Revoked, Unknown, Valid};
    let (issuer, list) = (TestIssuer::new(), Arc::new(RevocationList::new()));
    let verifier = issuer.verifier_for("api");
    builder(&issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
    let draft = || good(&issuer).claim("jti", "one").claim("client_id", "web");
    let now = issuer.clock().now().saturating_add(Duration::from_secs(1));
    let hour = Duration::from_secs(3600);
    let cases = [
        ("whole", draft()),
        ("no jti", draft().without_claim("jti")),
        ("no client", draft().without_claim("client_id")),
        ("no sub", draft().without_claim("sub")),
        ("neither sub nor client", draft().without_claim("sub").without_claim("client_id")),
        ("nothing", draft().without_claim("sub").without_claim("client_id").without_claim("jti")),
        ("only a client", draft().without_claim("sub").without_claim("jti")),
        ("an actor", draft().claim("act", serde_json::json!({"sub": "gateway"}))),
    ];
    let mut verified = Vec::new();
    for (name, draft) in cases {
        verified.push((name, verifier.verify(&draft.sign()).await.unwrap_or_else(|error| panic!("{name}: {error}"))));
    }
    let expect = |step: &str, others: RevocationStatus, named: &[(&str, RevocationStatus)]| {
        for (name, token) in &verified {
            let expected = named.iter().find(|(known, _)| known == name).map_or(others, |(_, status)| *status);
            assert_eq!(status_of(&*list, token), expected, "{step}: {name}");
        }
    };
    expect("an empty list", Valid, &[("nothing", Unknown)]);
    list.revoke_token("https://other.test", "x", UnixTime::MAX).expect("room");
    expect("another issuer's", Valid, &[("nothing", Unknown)]);
    list.revoke_token(issuer.name(), "x", UnixTime::MAX).expect("room");
    let without_id = [("no jti", Unknown), ("only a client", Unknown), ("nothing", Unknown)];
    expect("tokens", Valid, &without_id);
    list.revoke_subject(issuer.name(), "x", now, hour).expect("room");
    let mut known = without_id.to_vec();
    known.push(("neither sub nor client", Unknown));
    expect("subjects", Valid, &known);
    list.revoke_client(issuer.name(), "x", now, hour).expect("room");
    known.push(("no client", Unknown));
    expect("clients", Valid, &known);
    list.revoke_subject(issuer.name(), "gateway", now, hour).expect("room");
    known.push(("an actor", Revoked));
    expect("an actor", Valid, &known);
    list.revoke_client(issuer.name(), "web", now, hour).expect("room");
    expect("a client", Revoked, &[("no client", Unknown), ("neither sub nor client", Unknown), ("nothing", Unknown)]);

    // A subject's name reaches a client that speaks for itself, without `sub`; a client's name is never a user's.
    let list = Arc::new(RevocationList::new());
    list.revoke_subject(issuer.name(), "web", now, hour).expect("room");
    let status = |name: &str| status_of(&*list, &verified.iter().find(|(known, _)| *known == name).expect("a case").1);
    assert_eq!((status("no sub"), status("whole")), (Revoked, Valid));
}

/// S3.23: a name that the token says is elsewhere may be a revoked one.
#[tokio::test]
async fn s3_23_s11_06_a_token_whose_actor_or_client_is_elsewhere_is_unknown() {
    use RevocationStatus::{Unknown, Valid};
    let issuer = TestIssuer::new();
    let authorities = TestIssuer::authorities().client_at("/azp").client_at("/client_id");
    let verifier = Verifier::builder()
        .trust(issuer.trusted_for("api").authorities(authorities))
        .clock(Arc::new(issuer.clock().clone()))
        .build()
        .expect("a policy");
    let now = issuer.clock().now().saturating_add(Duration::from_secs(1));
    let hour = Duration::from_secs(3600);
    let draft = || good(&issuer).claim("jti", "one").claim("client_id", "web");
    let lists = ["nothing", "token", "subject", "client"].map(|kind| {
        let list = Arc::new(RevocationList::new());
        builder(&issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
        match kind {
            "token" => list.revoke_token(issuer.name(), "x", UnixTime::MAX).expect("room"),
            // The actor may be a subject of another issuer.
            "subject" => list.revoke_subject("https://other.test", "x", now, hour).expect("room"),
            "client" => list.revoke_client(issuer.name(), "x", now, hour).expect("room"),
            _ => {}
        }
        (kind, list)
    });
    for (name, unknown) in [("act", "subject"), ("client_id", "client"), ("azp", "client"), ("other", "")] {
        let token = draft().claim("_claim_names", serde_json::json!({ name: "src1" })).sign();
        let verified = verifier.verify(&token).await.expect("valid");
        for (kind, list) in &lists {
            let expected = if *kind == unknown { Unknown } else { Valid };
            assert_eq!(status_of(&**list, &verified), expected, "{name} elsewhere, with a revoked {kind}");
        }
    }
}

/// An entry has an end, and what it may have been about is unknown after that.
#[tokio::test]
async fn s15_01_no_entry_reaches_further_than_its_longest_retention() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let day = Duration::from_secs(86_400);
    let list = Arc::new(RevocationList::new().max_entries(2).max_retention(day));
    let used = Arc::new(SingleUse::new().max_retention(day));
    for revocation in [Revocation::new(Arc::clone(&list)), Revocation::new(Arc::clone(&used))] {
        builder(&issuer).revocation(revocation).build().expect("it takes the verifier's clock");
    }
    let year_9999 = 253_402_300_000_u64;
    let endless = |id: &str| good(&issuer).claim("jti", id).claim("exp", year_9999).sign();
    let verify = async |token: String| verifier.verify(&token).await.expect("verified");
    let (old, innocent) = (verify(endless("old")).await, verify(endless("innocent")).await);
    assert_eq!(status_of(&*used, &old), RevocationStatus::Unknown, "it would take its place for ever");
    list.revoke(&old).expect("room");
    for id in ["unknown expiry", "another"] {
        list.revoke_token(issuer.name(), id, UnixTime::MAX).expect("room");
    }
    assert_eq!(status_of(&*list, &old), RevocationStatus::Revoked);
    assert_eq!(status_of(&*list, &innocent), RevocationStatus::Valid);
    issuer.clock().advance(day + Duration::from_secs(302 + 1024));
    list.revoke_token(issuer.name(), "later", UnixTime::MAX).expect("the others are over");
    assert_eq!(list.len(), 1);
    for token in [&old, &innocent] {
        assert_eq!(status_of(&*list, token), RevocationStatus::Unknown, "either may have been meant");
    }
    let undated = verify(good(&issuer).claim("jti", "undated").without_claim("iat").sign()).await;
    assert_eq!(status_of(&*list, &undated), RevocationStatus::Unknown);
    let new = verify(endless("new")).await;
    assert_eq!(status_of(&*list, &new), RevocationStatus::Valid, "issued since");
}
