//! S9.17: tokens of messages, verified as of their enqueueing.

use std::sync::Arc;
use std::time::Duration;

use countersign::audit::{AuditEvent, AuditLog, AuditSink};
use countersign::authz::{authenticated_within, scope};
use countersign::clock::{Clock, UnixTime};
use countersign::key::{KeySet, StaticKeys};
use countersign::policy::NeedsAudience;
use countersign::queue::{MAX_QUEUE_AGE, QueueVerifier};
use countersign::revocation::{
    Revocation, RevocationCheck, RevocationList, RevocationQuery, RevocationStatus, UnknownPolicy,
};
use countersign::verify::{Verified, Verifier};
use countersign_test::{Attack, TestIssuer, TokenDraft};

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    issuer: TestIssuer,
    verifier: Verifier,
    queue: QueueVerifier,
}

fn world() -> World {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("exports");
    let queue = QueueVerifier::new(verifier.clone(), HOUR).expect("a queue");
    World { issuer, verifier, queue }
}

impl World {
    /// A token that lives five minutes.
    fn token(&self) -> TokenDraft {
        self.issuer.token().audience("exports").scope("export").lifetime(Duration::from_secs(300))
    }

    fn now(&self) -> UnixTime {
        self.issuer.clock().now()
    }

    fn pass(&self, seconds: u64) {
        self.issuer.clock().advance(Duration::from_secs(seconds));
    }

    async fn code(&self, token: &str, enqueued_at: UnixTime) -> &'static str {
        self.queue.verify(token, enqueued_at).await.err().map_or("accepted", |error| error.code())
    }
}

#[tokio::test]
async fn s9_17_a_message_is_verified_as_of_its_enqueueing_within_its_maximum_age() {
    let world = world();
    let (token, sent) = (world.token().sign(), world.now());
    assert_eq!(world.code(&token, sent).await, "accepted");
    world.pass(3600);
    assert_eq!(world.verifier.verify(&token).await.expect_err("late").code(), "expired");
    assert_eq!(world.code(&token, sent).await, "accepted", "exactly the maximum age");
    let caller = world.queue.verify(&token, sent).await.expect("in time");
    assert!(caller.meets(&scope("export")) && !caller.meets(&scope("delete")));
    assert_eq!(world.verifier.cached_tokens(), 0, "an expired token does not enter the cache");
    assert_eq!(world.verifier.verify(&token).await.expect_err("a request").code(), "expired");
    world.pass(1);
    assert_eq!(world.code(&token, sent).await, "waited_too_long");
}

#[tokio::test]
async fn s9_17_only_exp_and_nbf_are_compared_with_the_time_of_enqueueing() {
    let world = world();
    let sent = world.now();
    let expired = world.token().expired().sign();
    assert_eq!(world.code(&expired, sent).await, "expired", "already at its enqueueing");
    let later = sent.saturating_add(Duration::from_secs(900)).as_secs();
    let early = world.token().claim("nbf", later).lifetime(HOUR).sign();
    let from_future = world.token().claim("iat", later).claim("exp", later + 60).sign();
    let good = world.token().sign();
    world.pass(1800);
    assert!(world.verifier.verify(&early).await.is_ok(), "valid by now");
    assert_eq!(world.code(&early, sent).await, "not_yet_valid", "it was not when it was enqueued");
    assert_eq!(world.code(&from_future, sent).await, "issued_in_future", "no queue takes a token before it exists");
    // A token that was cached as a request's does not pass by the cache.
    let long = world.token().lifetime(HOUR * 2).sign();
    assert!(world.verifier.verify(&long).await.is_ok());
    assert_eq!(world.code(&long, sent).await, "issued_in_future");
    for (draft, expected) in [
        (world.token().audience("orders"), "wrong_audience"),
        (world.token().claim("iss", "https://other.test"), "unknown_issuer"),
        (world.token().claim("nonce", "n").claim("at_hash", "h"), "id_token"),
    ] {
        assert_eq!(world.code(&draft.sign(), world.now()).await, expected);
    }
    for attack in Attack::ALL {
        let token = world.token().hostile(*attack).sign();
        assert!(world.queue.verify(&token, world.now()).await.is_err(), "{}", attack.name());
    }
    assert_eq!(world.code(&good, sent).await, "accepted");
}

#[tokio::test]
async fn s9_17_the_time_of_enqueueing_is_never_in_the_future() {
    let world = world();
    let token = world.token().sign();
    let ahead = |duration| world.now().saturating_add(duration);
    for duration in [Duration::from_secs(1), HOUR, Duration::from_secs(u64::MAX)] {
        assert_eq!(world.code(&token, ahead(duration)).await, "enqueued_in_future", "{duration:?}");
    }
    // A queue's clock that is slightly ahead moves nothing: the token is verified as of now.
    assert_eq!(world.code(&token, ahead(Duration::from_millis(500))).await, "accepted");
    let early = world.token().claim("nbf", ahead(Duration::from_secs(31)).as_secs()).sign();
    assert_eq!(world.code(&early, ahead(Duration::from_millis(500))).await, "not_yet_valid");
    world.issuer.clock().advance(Duration::from_millis(700)); // 300 ms before it is valid, with the leeway
    assert_eq!(world.code(&early, ahead(Duration::from_millis(500))).await, "not_yet_valid");
    assert_eq!(world.code(&token, UnixTime::default()).await, "waited_too_long");
}

#[tokio::test]
async fn s9_17_the_maximum_age_is_stated_and_bounded() {
    let verifier = || TestIssuer::new().verifier_for("exports");
    for (max_age, is_sound) in [
        (Duration::ZERO, false),
        (Duration::from_secs(1), true),
        (MAX_QUEUE_AGE, true),
        (MAX_QUEUE_AGE + Duration::from_secs(1), false),
        (Duration::MAX, false),
    ] {
        let built = QueueVerifier::new(verifier(), max_age);
        assert_eq!(built.is_ok(), is_sound, "{max_age:?}");
        assert!(built.err().is_none_or(|error| error.faults()[0].field == "max_age"));
    }
}

/// The policy's `max_age` counts from `iat` to now.
#[tokio::test]
async fn s9_17_the_age_that_the_policy_permits_counts_to_now() {
    let issuer = TestIssuer::new();
    let trusted = issuer.trusted_for("exports").max_age(Duration::from_secs(600));
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("sound");
    let queue = QueueVerifier::new(verifier, HOUR).expect("a queue");
    let (token, sent) = (issuer.token().audience("exports").lifetime(HOUR).sign(), issuer.clock().now());
    assert!(queue.verify(&token, sent).await.is_ok());
    issuer.clock().advance(Duration::from_secs(700));
    assert_eq!(queue.verify(&token, sent).await.expect_err("old").code(), "too_old");
}

#[tokio::test]
async fn s9_17_a_login_counts_as_of_now() {
    let world = world();
    let (token, sent) = (world.token().authenticated(Duration::ZERO).sign(), world.now());
    let fresh = authenticated_within(Duration::from_secs(600));
    assert!(world.queue.verify(&token, sent).await.expect("accepted").meets(&fresh));
    world.pass(1200);
    assert!(!world.queue.verify(&token, sent).await.expect("accepted").meets(&fresh));
}

/// A key that was withdrawn while the message waited.
#[tokio::test]
async fn s9_17_the_keys_are_those_of_now() {
    let issuer = TestIssuer::new();
    let set = |jwks: &str| KeySet::from_jwks(jwks.as_bytes()).expect("keys");
    let token = issuer.token().audience("exports").sign();
    let sent = issuer.clock().now();
    let queue = |jwks: &str| {
        let trusted = NeedsAudience::new(issuer.name(), Arc::new(StaticKeys::from_set(set(jwks)))).audience("exports");
        let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build();
        QueueVerifier::new(verifier.expect("sound"), HOUR).expect("a queue")
    };
    assert!(queue(&issuer.jwks()).verify(&token, sent).await.is_ok());
    let rotated = queue(&TestIssuer::new().jwks());
    let refused = rotated.verify(&token, sent).await.expect_err("another key");
    assert!(["unknown_key", "bad_signature"].contains(&refused.code()), "{refused}");
}

#[derive(Debug)]
struct Unreachable;

impl RevocationCheck for Unreachable {
    fn check(&self, _: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Pending(Box::pin(std::future::ready(RevocationStatus::Unknown)))
    }
}

#[tokio::test]
async fn s9_17_revocation_counts_as_of_now() {
    let world = world();
    let revoked = Arc::new(RevocationList::new());
    let builder = || QueueVerifier::builder(world.verifier.clone(), HOUR);
    let queue = builder().revocation(Arc::clone(&revoked)).build().expect("a queue");
    let (token, sent) = (world.token().claim("jti", "one").sign(), world.now());
    assert!(queue.verify(&token, sent).await.is_ok());
    world.pass(900);
    assert!(queue.verify(&token, sent).await.is_ok());
    let end = world.now().saturating_add(HOUR);
    revoked.revoke_token(world.issuer.name(), "one", end).expect("room");
    assert_eq!(queue.verify(&token, sent).await.expect_err("revoked").code(), "revoked");

    let unknown = builder().revocation(Arc::new(Unreachable)).build().expect("a queue");
    assert!(unknown.verify(&token, sent).await.expect_err("unknown").is_unavailable());
    let strict = Verifier::builder().trust(world.issuer.trusted_for("exports")).deny_danger();
    let strict = strict.clock(Arc::new(world.issuer.clock().clone())).build().expect("no danger");
    let open = Revocation::new(Arc::new(Unreachable)).unknown_policy(UnknownPolicy::FailOpen);
    let denied = QueueVerifier::builder(strict, HOUR).revocation(open).build().expect_err("a danger");
    assert_eq!(denied.faults()[0].field, "danger");
}

/// The audit events of a worker, as lines.
#[derive(Clone, Debug, Default)]
struct Events(Arc<std::sync::Mutex<Vec<serde_json::Value>>>);

impl AuditSink for Events {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().expect("unpoisoned").push(serde_json::from_str(&event.to_json()).expect("JSON"));
    }
}

#[tokio::test]
async fn s9_17_s10_06_each_decision_about_a_message_has_one_event() {
    let World { issuer, verifier, .. } = world();
    let events = Events::default();
    let key = countersign::secret::Secret::new(vec![7; 32]);
    let pseudonyms = || countersign::pseudonym::Pseudonyms::new(&key).expect("long enough");
    let of = |log: AuditLog| {
        QueueVerifier::builder(verifier.clone(), HOUR).audit(log).log_subjects(pseudonyms()).build().expect("a queue")
    };
    let (queue, refusals) = (
        of(AuditLog::new("exports", events.clone()).client_id("exports-client").allowed()),
        of(AuditLog::new("exports", events.clone())),
    );
    let token = issuer.token().audience("exports").subject("ann").client_id("web").lifetime(HOUR).sign();
    let now = issuer.clock().now();
    let long_ago = now.saturating_sub(HOUR * 2);
    queue.verify(&token, now).await.expect("accepted");
    assert!(queue.verify(&token, long_ago).await.is_err(), "too late");
    refusals.verify(&token, now).await.expect("accepted");
    assert!(refusals.verify("x", now).await.is_err(), "no token");
    let lines = std::mem::take(&mut *events.0.lock().expect("unpoisoned"));
    let shown: Vec<_> = lines.iter().map(|line| (line["outcome"].as_str(), line["code"].as_str())).collect();
    let expected = [("allowed", "ok"), ("refused", "waited_too_long"), ("refused", "malformed")];
    assert_eq!(shown, expected.map(|(outcome, code)| (Some(outcome), Some(code))));
    let subject = pseudonyms().pseudonym(issuer.name(), "ann");
    assert_eq!((&lines[0]["subject"], &lines[0]["client"]), (&subject.into(), &"web".into()));
    assert!(lines[1].get("issuer").is_none(), "nothing of a refused token is recorded");
    for line in &lines {
        assert_eq!((&line["method"], &line["service"]), (&"MESSAGE".into(), &"exports".into()));
        assert!(line.get("status").is_none() && line.get("route").is_none() && !line.to_string().contains("ann"));
    }
    let bad = QueueVerifier::builder(verifier.clone(), HOUR).audit(AuditLog::new("", events.clone())).build();
    assert_eq!(bad.expect_err("no name").faults()[0].field, "audit");
}
