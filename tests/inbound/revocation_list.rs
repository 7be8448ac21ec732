//! The list of revocations: sessions, whole issuers, notices, feeds and their age, and several checks together.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::clock::{Clock, UnixTime};
use countersign::response::Detail;
use countersign::revocation::{
    Revocation, RevocationCheck, RevocationList, RevocationNotice, RevocationQuery, RevocationSink, RevocationStatus,
    SinkError, UnknownPolicy,
};
use countersign::verify::Verified;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;

use crate::app::{builder, good, who};

use RevocationStatus::{Revoked, Unknown, Valid};

const HOUR: Duration = Duration::from_secs(3600);

/// A list with the clock of `issuer`.
fn list_of(issuer: &TestIssuer, list: RevocationList) -> Arc<RevocationList> {
    let list = Arc::new(list);
    builder(issuer).revocation(Arc::clone(&list)).build().expect("it takes the verifier's clock");
    list
}

async fn verified(issuer: &TestIssuer, draft: TokenDraft) -> Arc<Verified> {
    issuer.verifier_for("api").verify(&draft.sign()).await.expect("good")
}

fn status(list: &RevocationList, token: &Arc<Verified>) -> RevocationStatus {
    match list.check(token) {
        RevocationQuery::Known(status) => status,
        other => panic!("{other:?}"),
    }
}

async fn serve(issuer: &TestIssuer, revocation: impl Into<Revocation>) -> Service {
    let layer = builder(issuer).revocation(revocation).detail(Detail::Code).build().expect("a layer");
    Service::start(Router::new().route("/", get(who)).layer(layer)).await
}

#[tokio::test]
async fn s14_10_a_session_is_revoked_and_a_token_without_one_is_not_meant() {
    let issuer = TestIssuer::new();
    let list = list_of(&issuer, RevocationList::new());
    let of = async |sid: serde_json::Value| verified(&issuer, good(&issuer).claim("sid", sid)).await;
    let (meant, other) = (of("s1".into()).await, of("s2".into()).await);
    let (none, null) = (verified(&issuer, good(&issuer)).await, of(serde_json::Value::Null).await);
    let (number, empty) = (of(1.into()).await, of("".into()).await);
    let names = serde_json::json!({ "sid": "elsewhere" });
    let elsewhere = verified(&issuer, good(&issuer).claim("_claim_names", names)).await;
    let end = issuer.clock().now().saturating_add(HOUR);
    for (name, token) in [("s1", &meant), ("number", &number), ("empty", &empty), ("elsewhere", &elsewhere)] {
        assert_eq!(status(&list, token), Valid, "{name}, without a revocation of a session");
    }
    list.revoke_session("https://other.test", "s1", end).expect("room");
    assert_eq!((status(&list, &meant), status(&list, &number)), (Valid, Valid), "another issuer's");
    list.revoke_token(issuer.name(), "s1", end).expect("room");
    assert_eq!(status(&list, &meant), Valid, "a token of that name");
    list.revoke_session(issuer.name(), "s1", end).expect("room");
    let expected = [
        ("meant", &meant, Revoked),
        ("another session", &other, Valid),
        ("no session", &none, Valid),
        ("null", &null, Valid),
        ("a number", &number, Unknown),
        ("empty", &empty, Unknown),
        ("elsewhere", &elsewhere, Unknown),
    ];
    for (name, token, expected) in expected {
        assert_eq!(status(&list, token), expected, "{name}");
    }
}

#[tokio::test]
async fn s11_06_all_tokens_of_an_issuer_up_to_a_time_are_revoked() {
    let issuer = TestIssuer::new();
    let list = list_of(&issuer, RevocationList::new());
    let (old, undated) = (verified(&issuer, good(&issuer)).await, good(&issuer).without_claim("iat"));
    let undated = verified(&issuer, undated).await;
    issuer.clock().advance(Duration::from_secs(10));
    let now = issuer.clock().now();
    let new = verified(&issuer, good(&issuer)).await;
    list.revoke_all("https://other.test", now, HOUR).expect("room");
    assert_eq!(status(&list, &old), Valid, "another issuer's");
    list.revoke_all(issuer.name(), now, HOUR).expect("room");
    assert_eq!([status(&list, &old), status(&list, &undated), status(&list, &new)], [Revoked, Revoked, Valid]);
}

/// Each kind of notice does what the method of the list does.
#[tokio::test]
async fn s14_12_a_notice_revokes_what_it_means() {
    let issuer = TestIssuer::new();
    let draft = || good(&issuer).claim("jti", "one").claim("sid", "s1").claim("client_id", "web");
    let token = verified(&issuer, draft()).await;
    issuer.clock().advance(Duration::from_secs(10));
    let (now, end) = (issuer.clock().now(), issuer.clock().now().saturating_add(HOUR));
    let newer = verified(&issuer, draft().claim("jti", "two").claim("sid", "s2")).await;
    for (name, notice) in [
        ("jti", RevocationNotice::token(issuer.name(), "one", end)),
        ("sid", RevocationNotice::session(issuer.name(), "s1", end)),
        ("sub", RevocationNotice::subject(issuer.name(), "u1", now, end)),
        ("client_id", RevocationNotice::client(issuer.name(), "web", now, end)),
        ("all", RevocationNotice::all(issuer.name(), now, end)),
    ] {
        let notice = notice.expect("valid");
        let list = list_of(&issuer, RevocationList::new());
        assert_eq!(status(&list, &token), Valid, "{name}");
        RevocationSink::revoke(&list, notice.clone()).await.expect("room");
        RevocationSink::revoke(&list, notice).await.expect("again, without effect");
        assert_eq!((status(&list, &token), status(&list, &newer), list.len()), (Revoked, Valid, 1), "{name}");
    }
}

#[tokio::test]
async fn s14_09_without_a_recent_confirmation_of_each_source_what_is_not_revoked_is_unknown() {
    let issuer = TestIssuer::new();
    let list = list_of(&issuer, RevocationList::new());
    let service = serve(&issuer, Arc::clone(&list)).await;
    let (good, bad) = (good(&issuer).claim("jti", "good").sign(), good(&issuer).claim("jti", "bad").sign());
    assert_eq!(service.get("/", &good).await.status, 200, "a list without a feed is complete by itself");
    let feeds = [list.feed(Duration::from_secs(10)), list.feed(Duration::from_secs(60))];
    let end = issuer.clock().now().saturating_add(HOUR);
    feeds[0].apply(&RevocationNotice::token(issuer.name(), "bad", end).expect("valid")).expect("room");
    assert_eq!((feeds[0].age(), feeds[1].age()), (None, None));
    feeds[0].confirm();
    let answer = service.get("/", &good).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "revocation_unavailable"),
        "the other was never confirmed"
    );
    assert_eq!(service.get("/", &bad).await.status, 401, "what is known counts");
    feeds[1].confirm();
    assert_eq!((service.get("/", &good).await.status, service.get("/", &bad).await.status), (200, 401));
    issuer.clock().advance(Duration::from_secs(10));
    assert_eq!(feeds[0].age(), Some(Duration::from_secs(10)));
    assert_eq!(service.get("/", &good).await.status, 200);
    issuer.clock().advance(Duration::from_millis(1));
    assert_eq!((service.get("/", &good).await.status, service.get("/", &bad).await.status), (503, 401));
    feeds[0].clone().confirm();
    assert_eq!(service.get("/", &good).await.status, 200);
    issuer.clock().step_wall(UnixTime::from_secs(5));
    assert_eq!(feeds[0].age(), Some(Duration::ZERO), "a wall clock does not make it older");
    drop(feeds);
    issuer.clock().step_wall(end.saturating_sub(HOUR));
    issuer.clock().advance(Duration::from_secs(11));
    assert_eq!(service.get("/", &good).await.status, 503, "a source that is gone is missed");
}

/// A confirmation from before a layer took the list, by another clock.
#[tokio::test]
async fn s14_09_a_feed_that_was_confirmed_before_the_clock_came_counts_from_then() {
    let issuer = TestIssuer::new();
    issuer.clock().advance(Duration::from_secs(1_000_000_000));
    let list = Arc::new(RevocationList::new());
    let feed = list.feed(Duration::from_secs(10));
    feed.confirm();
    let service = serve(&issuer, Arc::clone(&list)).await;
    let token = good(&issuer).sign();
    assert_eq!(service.get("/", &token).await.status, 200);
    issuer.clock().advance(Duration::from_secs(11));
    assert_eq!((service.get("/", &token).await.status, feed.age()), (503, Some(Duration::from_secs(11))));
}

#[tokio::test]
async fn s14_09_s15_01_a_notice_without_room_leaves_its_issuer_unknown_until_its_tokens_are_over() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new().with_name("https://other.test"));
    let list = list_of(&issuer, RevocationList::new().max_entries(2));
    let feed = list.feed(HOUR * 24);
    feed.confirm();
    let lifetime = HOUR * 20;
    let (revoked, good_one) = (good(&issuer).claim("jti", "0"), good(&issuer).lifetime(lifetime));
    let (revoked, good_one) = (verified(&issuer, revoked).await, verified(&issuer, good_one).await);
    let of_other = verified(&other, good(&other)).await;
    let now = issuer.clock().now();
    let notice =
        |id: &str, lives| RevocationNotice::token(issuer.name(), id, now.saturating_add(lives)).expect("valid");
    for id in ["0", "1"] {
        feed.apply(&notice(id, HOUR)).expect("room");
    }
    assert_eq!([status(&list, &revoked), status(&list, &good_one)], [Revoked, Valid]);
    assert_eq!(feed.apply(&notice("2", HOUR)), Err(SinkError::Full));
    assert_eq!(
        [status(&list, &revoked), status(&list, &good_one), status(&list, &of_other)],
        [Revoked, Unknown, Valid]
    );
    feed.confirm();
    assert_eq!(status(&list, &good_one), Unknown, "a confirmation brings no notice back");
    assert_eq!(RevocationSink::revoke(&list, notice("3", lifetime)).await, Err(SinkError::Full), "its sender knows");
    issuer.clock().advance(HOUR + Duration::from_secs(300));
    feed.confirm();
    assert_eq!(status(&list, &good_one), Unknown);
    issuer.clock().advance(Duration::from_secs(1));
    feed.confirm();
    assert_eq!(status(&list, &good_one), Valid, "the tokens of the notice have expired");
}

#[tokio::test]
async fn s14_09_the_policy_for_the_unknown_can_be_that_of_an_issuer() {
    let issuer = TestIssuer::new();
    let list = || {
        let list = list_of(&issuer, RevocationList::new());
        let _never_confirmed = list.feed(HOUR);
        Revocation::new(list)
    };
    let token = good(&issuer).sign();
    let open = UnknownPolicy::FailOpen;
    for (revocation, expected) in [
        (list(), 503),
        (list().unknown_policy_of(issuer.name(), open), 200),
        (list().unknown_policy_of("https://other.test", open), 503),
        (list().unknown_policy(open), 200),
        (list().unknown_policy(open).unknown_policy_of(issuer.name(), UnknownPolicy::FailClosed), 503),
    ] {
        let name = format!("{revocation:?}");
        assert_eq!(serve(&issuer, revocation).await.get("/", &token).await.status, expected, "{name}");
    }
}

/// A check of a fixed answer, at once or later.
#[derive(Debug)]
struct Fixed(RevocationStatus, bool);

impl RevocationCheck for Fixed {
    fn check(&self, _: &Arc<Verified>) -> RevocationQuery {
        let Fixed(status, is_remote) = *self;
        if !is_remote {
            return RevocationQuery::Known(status);
        }
        RevocationQuery::Pending(Box::pin(async move {
            tokio::task::yield_now().await;
            status
        }))
    }
}

#[tokio::test]
async fn s14_09_of_several_checks_revoked_counts_before_unknown_and_that_before_valid() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let all = [(Valid, 200), (Unknown, 503), (Revoked, 401)];
    for (first, code) in all {
        for (second, other_code) in all {
            for (remote, other_remote) in [(false, false), (true, false), (false, true), (true, true)] {
                let checks = Revocation::new(Arc::new(Fixed(first, remote))).and(Arc::new(Fixed(second, other_remote)));
                let expected = [401, 503, 200].into_iter().find(|known| *known == code || *known == other_code);
                let found = serve(&issuer, checks).await.get("/", &token).await.status;
                assert_eq!(Some(found), expected, "{first:?} {second:?} {remote} {other_remote}");
            }
        }
    }
}

/// Random names and removals, compared with a map.
#[tokio::test]
async fn s14_12_a_list_is_an_exact_set_through_growth_and_removal() {
    let issuer = TestIssuer::new();
    let list = list_of(&issuer, RevocationList::new().max_entries(20_000));
    let start = issuer.clock().now();
    let end = |number: usize| start.saturating_add(if number.is_multiple_of(2) { HOUR } else { HOUR * 48 });
    for number in 0..5_000 {
        list.revoke_token(issuer.name(), &number.to_string(), end(number)).expect("room");
    }
    assert_eq!(list.len(), 5_000);
    let tokens = async |numbers: &[usize]| {
        let mut tokens = Vec::new();
        for number in numbers {
            let draft = good(&issuer).lifetime(HOUR * 40).claim("jti", number.to_string());
            tokens.push((*number, verified(&issuer, draft).await));
        }
        tokens
    };
    let some: Vec<usize> = (0..5_000).step_by(97).chain(5_000..5_050).collect();
    for (number, token) in tokens(&some).await {
        assert_eq!(status(&list, &token) == Revoked, number < 5_000, "{number}");
    }
    issuer.clock().advance(HOUR * 2);
    for number in 10_000..30_000 {
        let _ = list.revoke_token(issuer.name(), &number.to_string(), end(1)); // the last ones need the places of others
    }
    assert_eq!(list.len(), 20_000, "2,500 are over, and as many of the new ones as find room came");
    for (number, token) in tokens(&some).await {
        assert_eq!(status(&list, &token) == Revoked, number < 5_000 && number % 2 == 1, "{number}");
    }
}
