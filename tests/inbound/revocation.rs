//! Revocation checks: for each request, for cached tokens too, by the claims of a token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::clock::{Clock, UnixTime};
use countersign::response::Detail;
use countersign::revocation::{
    MemoryRevocations, Revocation, RevocationCheck, RevocationQuery, RevocationStatus, SingleUse, UnknownPolicy,
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
    let revoked = Arc::new(MemoryRevocations::new());
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
    let revoked = Arc::new(MemoryRevocations::new());
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
    revoked.revoke_subject(issuer.name(), "u1", UnixTime::from_secs(1), Duration::ZERO).expect("room");
    assert_eq!(service.get("/", &old).await.status, 401);
}

#[test]
fn the_list_is_bounded_returns_an_error_when_full_and_removes_expired_entries() {
    let issuer = TestIssuer::new();
    let revoked = Arc::new(MemoryRevocations::new().max_entries(100));
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
    issuer.clock().advance(Duration::from_secs(1));
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
    let checks: [Revocation; 2] =
        [Arc::new(MemoryRevocations::new()).into(), Revocation::new(Arc::new(SingleUse::new()))];
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
