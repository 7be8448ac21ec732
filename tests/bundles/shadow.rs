//! The next policy beside the one in force: what it would change is counted, and nothing changes.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use countersign::bundle::BundleErrorKind;
use countersign::clock::Clock;
use countersign::metrics::Metrics;
use countersign::policy::Policy;
use countersign::reload::{BundledPolicy, PolicyBundle, PolicyFile, ShadowPolicy, ShadowReport};
use countersign_test::TestIssuer;

use crate::world::{Answer, Host, World, code};

impl World {
    fn shadow(&self, revision: u64, policy: Policy) -> String {
        self.draft(revision, policy).sign_shadow(&self.signer).expect("signed")
    }

    /// A service of the audience `orders`, with a shadow beside it.
    async fn with_shadow(&self, shadow: ShadowPolicy) -> BundledPolicy {
        self.write("policy.jws", &self.bundle(1, "orders"));
        let source = PolicyBundle::from_file(self.file("policy.jws"), self.pins()).shadow(shadow);
        self.service(source).build().await.expect("a bundle")
    }
}

fn report(service: &BundledPolicy) -> ShadowReport {
    service.shadow().expect("one that is set")
}

/// Numbers by code.
type ByCode<'r> = Vec<(&'r str, u64)>;

fn counts(report: &ShadowReport) -> (u64, u64, ByCode<'_>, ByCode<'_>, u64) {
    fn list(counts: &std::collections::BTreeMap<String, u64>) -> Vec<(&str, u64)> {
        counts.iter().map(|(code, number)| (&**code, *number)).collect()
    }
    let (refused, admitted) = (list(&report.newly_refused), list(&report.newly_admitted));
    (report.compared, report.undecided, refused, admitted, report.other_authorities)
}

#[tokio::test]
async fn s14_07_each_token_is_counted_once_under_its_rule() {
    let world = World::new("shadow");
    world.write("next.jws", &world.shadow(2, World::policy("billing", "")));
    let service = world.with_shadow(ShadowPolicy::from_file(world.file("next.jws")).one_in(1)).await;
    let first = report(&service);
    assert_eq!((first.revision, first.compared, &first.error), (Some(2), 0, &None));
    let (mine, other) = (world.issuer.token().audience("orders"), world.issuer.token().audience("billing"));
    let mine_signed = mine.clone().sign();
    for _ in 0..3 {
        assert!(service.verifier().verify(&mine_signed).await.is_ok(), "from the cache later");
    }
    assert_eq!(code(service.verifier(), &other).await, "wrong_audience");
    let expected = (2, 0, vec![("wrong_audience", 1)], vec![("wrong_audience", 1)], 0);
    assert_eq!(counts(&report(&service)), expected);
    // Both refuse it, both accept it: no difference.
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("neither")).await, "wrong_audience");
    let both = world.issuer.token().claim("aud", ["orders", "billing"]);
    assert_eq!(code(service.verifier(), &both).await, "accepted");
    assert_eq!(counts(&report(&service)), (4, 0, expected.2.clone(), expected.3.clone(), 0));
    let json = serde_json::to_string(&report(&service)).expect("JSON");
    assert!(json.starts_with(r#"{"source":""#) && json.contains(r#""newly_refused":{"wrong_audience":1}"#), "{json}");
    assert!(!json.contains(&mine_signed));
    let _ = Metrics::new(service.verifier());

    // Another shadow counts anew. This one reads other authorities from the same tokens.
    let lines = "authorities.roles_at = [\"/groups\"]";
    world.write("next.jws", &world.shadow(3, World::policy("orders", lines)));
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!((report(&service).revision, report(&service).compared), (Some(3), 0));
    for _ in 0..2 {
        assert!(service.verifier().verify(&mine_signed).await.is_ok());
    }
    let member = world.issuer.token().audience("orders").claim("groups", ["staff"]).sign();
    let verified = service.verifier().verify(&member).await.expect("accepted");
    assert!(verified.grants().roles.is_empty(), "the policy in force maps nothing");
    assert_eq!(counts(&report(&service)), (2, 0, vec![], vec![], 1));

    // Once that revision is in force, nothing is left to compare.
    world.write("policy.jws", &world.draft(3, World::policy("orders", lines)).sign(&world.signer).expect("signed"));
    assert_eq!(service.pull().await, Ok(true));
    let after = report(&service);
    assert_eq!((after.revision, &after.fingerprint, after.compared, &after.error), (None, &None, 0, &None));
}

/// S14.02, S14.07: what did not change is not sent again, and is compared with the next policy in force.
#[tokio::test]
async fn s14_07_an_unchanged_shadow_costs_a_304() {
    let world = World::new("shadow-etag");
    let next = world.shadow(2, World::policy("billing", ""));
    let shadows = Host::start(Answer::of(next.clone()).header(header::ETAG, "\"2\"")).await;
    let service = world.with_shadow(ShadowPolicy::from_url(shadows.url()).one_in(1)).await;
    for _ in 0..2 {
        assert_eq!(service.pull().await, Ok(false));
    }
    assert_eq!((shadows.counts(), report(&service).revision), ((3, 2), Some(2)));
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("billing")).await, "wrong_audience");
    assert_eq!(report(&service).newly_admitted.values().sum::<u64>(), 1, "it is compared");

    // Its revision comes into force: the known document is none to compare any more, without another transfer.
    world.write("policy.jws", &world.draft(2, World::policy("orders", "")).sign(&world.signer).expect("signed"));
    assert_eq!(service.pull().await, Ok(true));
    assert_eq!((shadows.counts(), report(&service).revision), ((4, 3), None));

    // A failure keeps what is known; after a 404 nothing is.
    shadows.answer(Answer::of(world.shadow(3, World::policy("billing", ""))).header(header::ETAG, "\"3\""));
    assert_eq!(service.pull().await, Ok(false));
    shadows.answer(Answer::status(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!(report(&service).revision, Some(3));
    shadows.answer(Answer::status(StatusCode::NOT_FOUND));
    assert_eq!(service.pull().await, Ok(false));
    let again = Answer::of(world.shadow(3, World::policy("billing", ""))).header(header::ETAG, "\"3\"");
    shadows.answer(again);
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!((shadows.counts(), report(&service).revision), ((8, 3), Some(3)), "sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s14_07_no_decision_changes_under_load_while_shadows_come_and_go() {
    let world = World::new("shadow-load");
    let service = world.with_shadow(ShadowPolicy::from_file(world.file("next.jws")).one_in(3)).await;
    let token = |number: usize| {
        let audience = if number.is_multiple_of(2) { "orders" } else { "billing" };
        world.issuer.token().audience(audience).claim("jti", number.to_string()).sign()
    };
    let tokens: Arc<Vec<String>> = Arc::new((0..60).map(token).collect());
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (verifier, tokens) = (service.verifier().clone(), Arc::clone(&tokens));
            tokio::spawn(async move {
                for round in 0..countersign_tests::repeats(600, 6_000) {
                    let number = (round * 7 + task) % tokens.len();
                    let is_accepted = verifier.verify(&tokens[number]).await.is_ok();
                    assert_eq!(is_accepted, number.is_multiple_of(2), "{number}");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut revision = 2;
    while tasks.iter().any(|task| !task.is_finished()) {
        let audience = if revision % 2 == 0 { "billing" } else { "orders" };
        match revision % 5 {
            0 => std::fs::remove_file(world.file("next.jws")).expect("there"),
            1 => world.write("next.jws", "nonsense"),
            _ => world.write("next.jws", &world.shadow(revision, World::policy(audience, ""))),
        }
        assert_eq!(service.pull().await, Ok(false));
        revision += 1;
    }
    for task in tasks {
        task.await.expect("each decision is that of the policy in force");
    }
    assert_eq!((service.revision(), service.verifier().policy_error()), (1, None));
}

#[tokio::test]
async fn s14_07_only_a_part_of_the_requests_is_compared() {
    let world = World::new("shadow-share");
    world.write("next.jws", &world.shadow(2, World::policy("billing", "")));
    let service = world.with_shadow(ShadowPolicy::from_file(world.file("next.jws"))).await;
    for _ in 0..50 {
        assert_eq!(code(service.verifier(), &world.issuer.token().audience("billing")).await, "wrong_audience");
    }
    assert_eq!(counts(&report(&service)), (5, 0, vec![], vec![("wrong_audience", 5)], 0));
    assert_eq!(report(&service).one_in, 10);
}

/// The keys of an issuer that only the shadow policy has are not fetched for a request.
#[tokio::test]
async fn s14_07_without_keys_nothing_is_decided_and_nothing_is_fetched() {
    let world = World::new("shadow-keys");
    let provider = Host::start(Answer::status(StatusCode::SERVICE_UNAVAILABLE)).await;
    let other = TestIssuer::new().with_name("https://other.test");
    let keys = format!("keys = {{ jwks_url = \"{}\" }}", provider.url().split('?').next().expect("a URL"));
    let text = |next: &str| {
        format!(
            "[[issuers]]\nissuer = \"https://issuer.test\"\naudience = \"orders\"\nkeys = {{ inline = '''{}''' }}\n{next}",
            world.issuer.jwks()
        )
    };
    let next = text(&format!("\n[[issuers]]\nissuer = \"https://other.test\"\naudience = \"orders\"\n{keys}\n"));
    world.write("next.toml", &next);
    world.write("policy.toml", &text(""));
    let service = PolicyFile::new(world.file("policy.toml")).clock(world.issuer.clock().clone());
    let service = service.shadow(ShadowPolicy::from_file(world.file("next.toml")).one_in(1)).build().expect("a policy");
    assert_eq!(service.shadow().expect("set").error, None);
    while provider.counts().0 == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await; // the task of the file asks once, in the background
    }
    let asked = provider.counts().0;
    let draft = other.token().audience("orders");
    for _ in 0..5 {
        assert_eq!(code(service.verifier(), &draft).await, "unknown_issuer");
    }
    let report = service.shadow().expect("set");
    assert_eq!((report.compared, report.undecided, report.newly_admitted.len()), (5, 5, 0), "{report:?}");
    assert_eq!(provider.counts().0, asked, "no request fetches for the shadow");

    // The file of the shadow is followed too.
    world.write("next.toml", "nonsense");
    assert_eq!(service.reload().await, Ok(false));
    let report = service.shadow().expect("set");
    assert!(report.fingerprint.is_none() && report.error.is_some(), "{report:?}");
    std::fs::remove_file(world.file("next.toml")).expect("there");
    assert_eq!(service.reload().await, Ok(false));
    assert_eq!(service.shadow().expect("set").error, None);
    assert_eq!(service.verifier().policy_error(), None, "the policy in force is the latest");
}

#[tokio::test]
async fn s14_07_a_shadow_is_never_put_in_force_and_a_bundle_is_no_shadow() {
    let world = World::new("shadow-hostile");
    let (next, now) = (world.shadow(2, World::policy("billing", "")), world.issuer.clock().now());
    assert_eq!(world.pins().verify(&next, now).expect_err("a shadow").kind(), BundleErrorKind::WrongType);
    let real = world.bundle(2, "billing");
    assert_eq!(world.pins().verify_shadow(&real, now).expect_err("not a shadow").kind(), BundleErrorKind::WrongType);

    // The shadow at the address of the policy.
    let host = Host::start(Answer::of(world.bundle(1, "orders")).header(header::ETAG, "\"1\"")).await;
    let shadows = Host::start(Answer::status(StatusCode::NOT_FOUND)).await;
    let source = PolicyBundle::from_url(host.url(), world.pins());
    let source = source.shadow(ShadowPolicy::from_url(shadows.url()).one_in(1));
    let service = world.service(source).build().await.expect("a bundle");
    let nothing = report(&service);
    assert_eq!((&nothing.fingerprint, &nothing.error), (&None, &None), "a 404 is no shadow");
    host.answer(Answer::of(next.clone()));
    let error = service.pull().await.expect_err("refused").to_string();
    assert!(error.contains("bundle_wrong_type"), "{error}");
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("billing")).await, "wrong_audience");

    // The policy, a foreign key, another fleet and an old document at the address of the shadow.
    host.answer(Answer::of(world.bundle(1, "orders")));
    let foreign = World::new("shadow-foreign");
    let foreign = foreign.draft(2, World::policy("billing", "")).created_at(now).sign_shadow(&foreign.signer);
    let another = countersign::bundle::BundleDraft::new("another", 2, World::policy("billing", ""));
    let another = another.created_at(now).sign_shadow(&world.signer).expect("signed");
    for (text, problem) in
        [(real, "bundle_wrong_type"), (foreign.expect("signed"), "bundle_unknown_key"), (another, "bundle_wrong_fleet")]
    {
        shadows.answer(Answer::of(text));
        assert_eq!(service.pull().await, Ok(false), "the policy itself is good");
        let report = report(&service);
        assert!(report.error.as_ref().is_some_and(|error| error.contains(problem)), "{problem}: {report:?}");
        assert!(report.fingerprint.is_none() && !format!("{report:?}").contains("secret"));
    }
    // A shadow of the revision in force compares nothing.
    shadows.answer(Answer::of(world.shadow(1, World::policy("billing", ""))));
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!((&report(&service).fingerprint, &report(&service).error), (&None, &None));
    shadows.answer(Answer::of(next));
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!(report(&service).revision, Some(2));
    // An outage of its host ends nothing.
    shadows.answer(Answer::status(StatusCode::BAD_GATEWAY));
    assert_eq!(service.pull().await, Ok(false));
    assert!(report(&service).fingerprint.is_some() && report(&service).error.is_some());
}

#[tokio::test]
async fn s14_07_settings_that_are_not_sound_are_refused() {
    let world = World::new("shadow-settings");
    world.write("policy.jws", &world.bundle(1, "orders"));
    let service =
        |shadow| world.service(PolicyBundle::from_file(world.file("policy.jws"), world.pins()).shadow(shadow));
    for (shadow, field) in [
        (ShadowPolicy::from_file("/x").one_in(0), "one_in"),
        (ShadowPolicy::from_url("http://policies.example.com/next.jws"), "shadow"),
    ] {
        let error = service(shadow).build().await.expect_err("refused");
        assert_eq!(error.faults()[0].field, field, "{error}");
    }
    world.write("policy.toml", "[[issuers]]\nissuer = \"https://issuer.test\"\naudience = \"orders\"\n");
    let file =
        PolicyFile::new(world.file("policy.toml")).shadow(ShadowPolicy::from_url("https://policies.example.com/x"));
    assert_eq!(file.build().expect_err("unsigned").faults()[0].field, "shadow");
}
