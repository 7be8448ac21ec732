//! Documents that replace nothing.

use std::time::Duration;

use axum::http::{StatusCode, header};
use countersign::bundle::BundleDraft;
use countersign::clock::{Clock, UnixTime};
use countersign::health::Health;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::reload::PolicyBundle;
use serde_json::{Value, json};

use crate::world::{Answer, FLEET, Host, World};

/// Signs any payload.
fn sign(world: &World, header: &Value, change: impl FnOnce(&mut Value)) -> String {
    let now = world.issuer.clock().now().as_secs();
    let policy: Value = serde_json::from_str(&World::policy("billing", "").to_json()).expect("JSON");
    let mut payload = json!({ "aud": FLEET, "revision": 9, "iat": now, "exp": now + 60, "policy": policy });
    change(&mut payload);
    let header = header.to_string();
    world.signer.sign_compact(header.as_bytes(), payload.to_string().as_bytes()).expect("signed")
}

#[tokio::test]
async fn s14_01_s14_02_a_bad_document_leaves_the_last_good_one_in_force_and_is_reported() {
    let world = World::new("refusals");
    let host = Host::start(Answer::of(world.bundle(7, "orders"))).await;
    let service = world.service_of(&host).deny_danger().build().await.expect("a bundle");
    let (verifier, health) = (service.verifier().clone(), Health::new(service.verifier()));
    let (fingerprint, good) = (verifier.fingerprint(), world.bundle(7, "orders"));
    let header = json!({ "alg": "ES256", "kid": world.signer.key_id(), "typ": "policy-bundle+jwt" });
    let with = |change: &dyn Fn(&mut Value)| sign(&world, &header, change);
    let typed = |typ: &str| {
        let mut header = header.clone();
        header["typ"] = json!(typ);
        sign(&world, &header, |_| ())
    };
    let stranger = Signer::generate(Algorithm::ES256).expect("a key").with_key_id(world.signer.key_id());
    let draft = |revision: u64| world.draft(revision, World::policy("billing", ""));
    let now = world.issuer.clock().now();
    let at = |seconds: u64| draft(9).created_at(UnixTime::from_secs(seconds));
    let weak = world.draft(9, World::policy("billing", "danger_any_audience = true"));
    let new = world.bundle(9, "billing");
    let cases = [
        ("bundle_older_revision", Answer::of(world.bundle(6, "billing"))),
        ("bundle_same_revision", Answer::of(world.bundle(7, "billing"))),
        ("bundle_malformed", Answer::of(World::policy("billing", "").to_json())),
        ("bundle_malformed", Answer::of(World::policy("billing", "").to_toml())),
        ("bundle_malformed", Answer::of(new.rsplit_once('.').expect("three segments").0.to_owned() + ".")),
        ("bundle_bad_signature", Answer::of(draft(9).sign(&stranger).expect("signed"))),
        (
            "bundle_unknown_key",
            Answer::of(draft(9).sign(&Signer::generate(Algorithm::ES256).expect("a key")).expect("signed")),
        ),
        ("bundle_wrong_type", Answer::of(typed("JWT"))),
        ("bundle_wrong_type", Answer::of(typed("at+jwt"))),
        (
            "bundle_expired",
            Answer::of(at(now.as_secs() - 60).validity(Duration::from_secs(60)).sign(&world.signer).expect("signed")),
        ),
        ("bundle_not_yet_created", Answer::of(at(now.as_secs() + 120).sign(&world.signer).expect("signed"))),
        ("bundle_malformed", Answer::of(with(&|payload| payload["key_sets"] = json!({})))),
        ("bundle_invalid_policy", Answer::of(with(&|payload| payload["policy"]["leewey_seconds"] = json!(5)))),
        ("danger", Answer::of(weak.sign(&world.signer).expect("signed"))),
        ("audience", Answer::of(with(&|payload| payload["policy"]["issuers"][0]["audience"] = json!("")))),
        ("bundle_malformed", Answer::of(new[..new.len() / 2].to_owned())),
        ("bundle_bad_signature", Answer::of(new[..new.len() - 6].to_owned())),
        ("larger than allowed", Answer::of(vec![b'x'; 10 << 20])),
        (
            "bundle_wrong_fleet",
            Answer::of(
                BundleDraft::new("shop-test", 9, World::policy("billing", ""))
                    .created_at(now)
                    .sign(&world.signer)
                    .expect("signed"),
            ),
        ),
        ("bundle_malformed", Answer::of("")),
        ("not text", Answer::of(vec![0xff, 0xfe])),
        ("status 500", Answer::status(StatusCode::INTERNAL_SERVER_ERROR)),
        ("status 304", Answer::status(StatusCode::NOT_MODIFIED)),
        ("redirect", Answer::status(StatusCode::FOUND).header(header::LOCATION, "https://elsewhere.example/")),
    ];
    for (expected, answer) in cases {
        host.answer(answer);
        let error = service.pull().await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        let report = service.report();
        assert_eq!(health.policy_error().expect("reported").to_string(), error);
        assert!(!error.contains("secret") && !report.source.contains("secret"), "the query of the address");
        assert_eq!((report.revision, verifier.fingerprint()), (7, fingerprint), "{expected}");
        assert_eq!(service.policy().issuers[0].audience.names(), ["orders"]);
    }
    host.answer(Answer::of(good));
    assert_eq!(service.pull().await, Ok(false), "the same content, signed again");
    assert!(health.policy_error().is_none());
    host.answer(Answer::of(new));
    assert_eq!(service.pull().await, Ok(true));
    assert_eq!((service.revision(), service.policy().issuers[0].audience.names()), (9, &["billing".to_owned()][..]));
    assert!(service.policy().deny_danger, "for the outbound client that is made of it");
}

#[tokio::test]
async fn s14_01_a_bundle_in_force_stays_when_its_time_is_over_and_is_reported() {
    let world = World::new("expiry");
    let host = Host::start(Answer::of(world.bundle(1, "orders")).header(header::ETAG, "\"1\"")).await;
    let service = world.service_of(&host).build().await.expect("a bundle");
    world.issuer.clock().advance(Duration::from_secs(30 * 86_400));
    let error = service.pull().await.expect_err("over").to_string();
    assert!(error.contains("bundle_expired"), "{error}");
    assert!(service.report().is_expired && service.revision() == 1);
    assert_eq!(crate::world::code(service.verifier(), &world.issuer.token().audience("orders")).await, "accepted");
    host.answer(Answer::of(world.bundle(2, "orders")));
    assert_eq!(service.pull().await, Ok(true));
    assert!(!service.report().is_expired && service.verifier().policy_error().is_none());
}

#[tokio::test]
async fn settings_that_are_not_sound_are_errors_with_their_field() {
    let world = World::new("settings");
    world.write("bundle", &world.bundle(1, "orders"));
    let field = async |settings: PolicyBundle| {
        settings.build().await.err().map(|error| error.faults()[0].field.clone().into_owned())
    };
    let file = || world.service(PolicyBundle::from_file(world.file("bundle"), world.pins()));
    assert_eq!(field(file()).await, None);
    assert_eq!(field(file().interval(Duration::ZERO)).await.as_deref(), Some("interval"));
    assert_eq!(field(file().interval(Duration::MAX)).await.as_deref(), Some("interval"));
    for url in ["http://policies.example/a", "policies.example", "https://user:pw@policies.example/"] {
        assert_eq!(field(PolicyBundle::from_url(url, world.pins())).await.as_deref(), Some("url"), "{url}");
    }
    let test_key = Signer::generate(Algorithm::ES256).expect("a key").with_key_id("test-only-a");
    let pins = countersign::key::KeySet::new([test_key.verifying_key().expect("a key")]);
    let pins = countersign::bundle::BundleVerifier::new(FLEET, pins).expect("sound");
    let of_tests = PolicyBundle::from_file(world.file("bundle"), pins).deny_danger();
    assert_eq!(field(of_tests).await.as_deref(), Some("bundle_keys"));
    let missing = world.service(PolicyBundle::from_file(world.file("none"), world.pins()));
    assert_eq!(field(missing).await.as_deref(), Some("policy_bundle"));
}
