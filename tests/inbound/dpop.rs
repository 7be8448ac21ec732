//! Tokens that are bound to a key, with a proof for each request: CONFORMANCE S6.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use countersign::authz::{any_authenticated, proof_of_possession};
use countersign::clock::{Clock, UnixTime};
use countersign::error::VerifyErrorKind;
use countersign::key::Algorithm;
use countersign::prelude::*;
use countersign::proof::{Dpop, ExternalUrl, MemoryReplays, Nonces, ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use countersign::secret::Secret;
use countersign::verify::Outcome;
use countersign_core::integration::{ExplainedRequest, explain_proof};
use countersign_core::proof::{ProofRequest, ProofRules};
use countersign_test::{TestIssuer, TestKey, TestProof};
use countersign_tests::http::{Answer, Service};
use countersign_tests::proofs::{with_claims, with_header};
use serde_json::{Value, json};

use crate::app::{builder, good, who};

/// An issuer, the key of a client, a token that is bound to it, and a service that takes proofs.
struct World {
    issuer: TestIssuer,
    key: TestKey,
    token: String,
    service: Service,
    verifier: Verifier,
    has_defaults: bool,
}

const API: &str = "https://api.test";

/// The address of most requests.
const R: &str = "https://api.test/r";

impl World {
    async fn new() -> Self {
        World { has_defaults: true, ..Self::with(Dpop::at(API)).await }
    }

    async fn with(dpop: Dpop) -> Self {
        let issuer = TestIssuer::new();
        let verifier = issuer.verifier_for("api");
        let layer = AuthenticateLayer::builder(verifier.clone()).dpop(dpop).build().expect("a layer");
        let router = Router::new()
            .route("/", any(who))
            .route("/r", any(who))
            .route("/r/x", any(who))
            .route("/bound", get(who).layer(require(proof_of_possession())))
            .route("/scoped", get(who).layer(require(scope("admin"))))
            .layer(layer);
        let service = Service::start(router).await;
        let key = TestKey::new(issuer.clock());
        let token = bound(&issuer, &key);
        World { issuer, key, token, service, verifier, has_defaults: false }
    }

    fn now(&self) -> u64 {
        self.issuer.clock().now().as_secs()
    }

    fn other_key(&self) -> TestKey {
        TestKey::new(self.issuer.clock())
    }

    /// A good proof for `GET /r`.
    fn draft(&self) -> TestProof {
        self.key.proof("GET", R, &self.token)
    }

    /// A good proof with these claims changed; `null` removes one.
    fn proof(&self, changes: Value) -> String {
        with_claims(self.draft(), &changes).sign()
    }

    /// A good proof with these members of its header changed.
    fn proof_with_header(&self, changes: Value) -> String {
        with_header(self.draft(), &changes).sign()
    }

    async fn send(&self, line: &str, token: &str, proofs: &[&str]) -> Answer {
        let authorization = format!("Authorization: DPoP {token}");
        let proofs: Vec<String> = proofs.iter().map(|proof| format!("DPoP: {proof}")).collect();
        let mut headers = vec![authorization.as_str()];
        headers.extend(proofs.iter().map(String::as_str));
        self.service.request(line, &headers).await
    }

    async fn get(&self, proof: &str) -> Answer {
        let answer = self.send("GET /r", &self.token, &[proof]).await;
        if self.has_defaults {
            self.assert_explained(proof, &answer);
        }
        answer
    }

    /// Tools name the same reason as the log of the layer, except for a proof that was used before.
    fn assert_explained(&self, proof: &str, answer: &Answer) {
        let urls = [ExternalUrl::new(API).expect("an address")];
        let request = ProofRequest { method: "GET", external_urls: &urls, path: "/r" };
        let now = self.issuer.clock().now();
        let request = ExplainedRequest { request, token: Some(&self.token), nonce: None, now };
        let (report, _) = explain_proof(proof, &ProofRules::default(), &request);
        match report.verdict.code() {
            None => {
                assert!(answer.status == 200 || ["invalid_dpop_proof", "proof_unavailable"].contains(&&*answer.code()))
            }
            Some("proof_mismatch") => assert_eq!(answer.code(), "token_invalid", "{report}"),
            Some(code) => {
                assert!(code.starts_with("proof_"), "{report}");
                assert_eq!(answer.code(), "invalid_dpop_proof", "{report}");
            }
        }
        assert_eq!(
            report.is_accepted(),
            report.checks.iter().all(|check| check.outcome == Outcome::Passed),
            "{report}"
        );
    }

    /// The answer to `GET /r` with a proof of these changed claims.
    async fn with_claims(&self, changes: Value) -> Answer {
        self.get(&self.proof(changes)).await
    }
}

fn hash(token: &str) -> String {
    use base64_simd::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.encode_to_string(countersign_core::integration::sha256(token))
}

fn bound(issuer: &TestIssuer, key: &TestKey) -> String {
    good(issuer).lifetime(Duration::from_secs(7200)).bound_to(key).sign()
}

#[track_caller]
fn assert_ok(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, "u1"), "{answer:?}");
}

/// 401-PROOF: one challenge, of the scheme `DPoP`.
#[track_caller]
fn assert_bad_proof(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_dpop_proof"), "{answer:?}");
    let challenges = challenges(answer);
    assert!(
        matches!(&challenges[..], [only] if only.starts_with("DPoP realm=\"api\", error=\"invalid_dpop_proof\"")
        && only.contains("algs=\"")),
        "{challenges:?}"
    );
}

/// 401-TOK whose first challenge is of this scheme.
#[track_caller]
fn assert_bad_token(answer: &Answer, scheme: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{answer:?}");
    let start = format!("{scheme} realm=\"api\", error=\"invalid_token\"");
    assert!(challenges(answer)[0].starts_with(&start), "{answer:?}");
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let all = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
    all.map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn s6_01_s6_02_s6_16_a_bound_token_needs_its_own_key_and_an_unbound_one_has_none() {
    let world = World::new().await;
    assert_ok(&world.with_claims(json!({})).await);
    let as_bearer = world.service.get("/r", &world.token).await;
    assert_bad_token(&as_bearer, "Bearer");
    assert!(challenges(&as_bearer)[1].starts_with("DPoP realm=\"api\", algs="), "what helps: {as_bearer:?}");

    let unbound = good(&world.issuer).sign();
    assert_eq!(world.service.get("/r", &unbound).await.status, 200, "as Bearer");
    let proof = world.proof(json!({ "ath": hash(&unbound) }));
    assert_bad_token(&world.send("GET /r", &unbound, &[&proof]).await, "DPoP");
    assert_eq!(world.service.get("/r", &unbound).await.status, 200, "and still as Bearer");

    let thief = world.other_key();
    for _ in 0..2 {
        let proof = thief.proof("GET", R, &world.token).sign();
        assert_bad_token(&world.get(&proof).await, "DPoP");
    }
    assert_ok(&world.with_claims(json!({})).await);
    let refused = [VerifyErrorKind::ProofRequired, VerifyErrorKind::NotBound, VerifyErrorKind::ProofMismatch];
    assert_eq!(refused.map(|kind| world.verifier.refused(kind)), [1, 1, 2]);
}

#[tokio::test]
async fn s6_01_without_the_setting_a_bound_token_is_refused_whatever_comes_with_it() {
    let world = World::new().await;
    let plain = Service::start(Router::new().route("/r", get(who)).layer(crate::app::layer(&world.issuer))).await;
    assert_eq!(plain.get("/r", &world.token).await.status, 401);
    let (authorization, proof) = (format!("Authorization: DPoP {}", world.token), world.proof(json!({})));
    let answer = plain.request("GET /r", &[&authorization, &format!("DPoP: {proof}")]).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "no_token"), "{answer:?}");
    assert!(challenges(&answer).len() == 1 && answer.challenge().starts_with("Bearer"), "{answer:?}");
}

#[tokio::test]
async fn s6_03_a_request_has_exactly_one_proof() {
    let world = World::new().await;
    let (one, two) = (world.proof(json!({})), world.proof(json!({})));
    assert_bad_proof(&world.send("GET /r", &world.token, &[]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[""]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[&one, &two]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[&format!("{one}, {two}")]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[&format!("{one},{one}")]).await);
    assert_ok(&world.get(&one).await);
}

#[tokio::test]
async fn s6_04_s6_05_the_header_of_a_proof_is_that_of_a_proof() {
    let world = World::new().await;
    let with = |header: Value| world.proof_with_header(header);
    for typ in [json!("JWT"), json!("at+jwt"), json!("dpop"), json!(null), json!("")] {
        assert_bad_proof(&world.get(&with(json!({ "typ": typ }))).await);
    }
    for typ in ["dpop+jwt", "DPoP+JWT", "application/dpop+jwt"] {
        assert_ok(&world.get(&with(json!({ "typ": typ }))).await);
    }
    for alg in ["none", "HS256", "ES384", "RS256", "es256", ""] {
        assert_bad_proof(&world.get(&with(json!({ "alg": alg }))).await);
    }
    for header in [
        json!({ "crit": ["exp"] }),
        json!({ "b64": false }),
        json!({ "cty": "JWT" }),
        json!({ "alg": null }),
        json!({ "alg": 1 }),
        json!({ "kid": "" }),
    ] {
        assert_bad_proof(&world.get(&with(header)).await);
    }
    let good = world.proof(json!({}));
    let (head, tail) = good.split_at(good.len() - 8);
    let signing_input = good.rsplit_once('.').expect("a signature").0;
    for mutated in [
        format!("{good}."),
        format!("{good}="),
        format!("{head}{}", tail.chars().rev().collect::<String>()),
        signing_input.to_owned(),
        format!("{signing_input}."),
        good.replacen('.', "..", 1),
        format!("Bearer {good}"),
        "x".repeat(8 * 1024 + 1),
        "a.b.c".to_owned(),
    ] {
        assert_bad_proof(&world.get(&mutated).await);
    }
    assert_ok(&world.get(&good).await);
}

#[tokio::test]
async fn s6_05_only_listed_algorithms_sign_proofs_and_the_challenge_lists_them() {
    let world = World::with(Dpop::at(API).algorithms([Algorithm::ES256])).await;
    assert_ok(&world.with_claims(json!({})).await);
    let other = TestKey::with_algorithm(Algorithm::RS256, world.issuer.clock());
    let token = bound(&world.issuer, &other);
    let refused = world.send("GET /r", &token, &[&other.proof("GET", R, &token).sign()]).await;
    assert_bad_proof(&refused);
    assert!(refused.challenge().ends_with("algs=\"ES256\""), "{refused:?}");
}

#[tokio::test]
async fn s6_05_s6_06_every_asymmetric_algorithm_proves() {
    let world = World::new().await;
    for algorithm in [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::Ed25519,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::PS512,
    ] {
        let key = TestKey::with_algorithm(algorithm, world.issuer.clock());
        let token = bound(&world.issuer, &key);
        for _ in 0..2 {
            assert_ok(&world.send("GET /r", &token, &[&key.proof("GET", R, &token).sign()]).await);
        }
    }
}

#[tokio::test]
async fn s6_06_the_key_of_a_proof_is_public_strong_and_its_own() {
    let world = World::new().await;
    let own = world.key.public_jwk();
    let other = world.other_key().public_jwk();
    let changed = |name: &str, value: Value| {
        let mut jwk = own.clone();
        jwk[name] = value;
        jwk
    };
    for jwk in [
        json!(null),
        json!({}),
        json!("x"),
        json!([own]),
        changed("d", json!("AAAA")),
        changed("k", json!("AAAA")),
        changed("x", own["y"].clone()),
        changed("crv", json!("P-384")),
        changed("kty", json!("oct")),
        changed("use", json!("enc")),
        changed("alg", json!("ES384")),
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U" }),
        json!({ "kty": "RSA", "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri", "e": "AQAB" }),
    ] {
        let proof = world.proof_with_header(json!({ "jwk": jwk }));
        let answer = world.get(&proof).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.code(), "invalid_dpop_proof");
    }
    let proof = world.proof_with_header(json!({ "jwk": null, "kid": "x", "jku": "https://evil.test" }));
    assert_bad_proof(&world.get(&proof).await);
    // Another key in the header: it is not the token's, and did not sign.
    let proof = world.proof_with_header(json!({ "jwk": other }));
    assert_bad_token(&world.get(&proof).await, "DPoP");
    let proof = world.draft().signed_by(&world.other_key()).sign();
    assert_bad_proof(&world.get(&proof).await);
    assert_ok(&world.with_claims(json!({})).await);
}

#[tokio::test]
async fn s6_07_a_proof_is_for_one_method() {
    let world = World::new().await;
    for htm in [json!("get"), json!("POST"), json!(null), json!(""), json!(["GET"])] {
        assert_bad_proof(&world.with_claims(json!({ "htm": htm })).await);
    }
    let post = world.proof(json!({ "htm": "POST" }));
    assert_ok(&world.send("POST /r", &world.token, &[&post]).await);
    assert_bad_proof(&world.send("POST /r", &world.token, &[&world.proof(json!({}))]).await);
}

#[tokio::test]
async fn s6_08_s6_09_a_proof_is_for_one_address_of_the_configured_ones() {
    let world = World::with(Dpop::at(API).and_at("https://example.com/api/")).await;
    for htu in [
        "HTTPS://API.TEST:443/r",
        "https://api.test/./r",
        "https://api.test/%72",
        "https://api.test/r?q=2",
        "https://api.test/r#f",
        "https://example.com/api/r",
    ] {
        assert_ok(&world.with_claims(json!({ "htu": htu })).await);
    }
    assert_ok(&world.send("GET /r?q=1", &world.token, &[&world.proof(json!({}))]).await);
    for htu in [
        json!("http://api.test/r"),
        json!("https://api.test:8443/r"),
        json!("https://evil.test/r"),
        json!("https://api.test/R"),
        json!("https://api.test/r/"),
        json!("https://user@api.test/r"),
        json!("https://example.com/r"),
        json!("/r"),
        json!(""),
        json!(null),
        json!(7),
    ] {
        assert_bad_proof(&world.with_claims(json!({ "htu": htu })).await);
    }
    let slashed = world.proof(json!({ "htu": "https://api.test/r%2Fx" }));
    assert_bad_proof(&world.send("GET /r/x", &world.token, &[&slashed]).await);
    // Neither the host of the request nor headers of proxies choose the address.
    let proof = world.proof(json!({ "htu": "https://evil.test/r" }));
    let request = format!(
        "GET /r HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\n\
         Forwarded: host=evil.test\r\nAuthorization: DPoP {}\r\nDPoP: {proof}\r\nConnection: close\r\n\r\n",
        world.token
    );
    assert_bad_proof(&world.service.send(request.as_bytes()).await);
}

#[tokio::test]
async fn s6_10_s6_18_a_proof_is_new() {
    let world = World::new().await;
    world.issuer.clock().advance(Duration::from_secs(120));
    let now = world.now();
    for iat in [now - 60, now - 1, now, now + 10] {
        assert_ok(&world.with_claims(json!({ "iat": iat })).await);
    }
    for iat in [json!(now - 61), json!(now + 11), json!(null), json!(now.to_string()), json!(-1)] {
        assert_bad_proof(&world.with_claims(json!({ "iat": iat })).await);
    }
    assert_ok(&world.with_claims(json!({ "foo": { "a": [1] }, "exp": now + 1, "nbf": now })).await);
    for claims in [json!({ "exp": now - 1 }), json!({ "exp": now }), json!({ "nbf": now + 61 }), json!({ "exp": "x" })]
    {
        assert_bad_proof(&world.with_claims(claims).await);
    }
}

#[tokio::test]
async fn s6_11_s6_12_s6_13_a_proof_counts_once() {
    let world = World::new().await;
    let proof = world.proof(json!({ "jti": "one" }));
    assert_ok(&world.get(&proof).await);
    assert_bad_proof(&world.get(&proof).await);
    // The same name in another spelling of the address, and at another time.
    assert_bad_proof(&world.with_claims(json!({ "jti": "one", "htu": "https://API.test/r" })).await);
    assert_bad_proof(&world.with_claims(json!({ "jti": "one", "iat": world.now() })).await);
    for jti in [json!(7), json!(""), json!("x".repeat(257)), json!(null)] {
        assert_bad_proof(&world.with_claims(json!({ "jti": jti })).await);
    }
    assert_ok(&world.with_claims(json!({ "jti": "x".repeat(256) })).await);
    // What is refused leaves no trace.
    assert_bad_proof(&world.with_claims(json!({ "jti": "two", "ath": hash("other") })).await);
    assert_bad_proof(&world.with_claims(json!({ "jti": "two", "htm": "POST" })).await);
    assert_ok(&world.with_claims(json!({ "jti": "two" })).await);

    let proof = world.proof(json!({ "jti": "at once" }));
    let (one, other) = tokio::join!(world.get(&proof), world.get(&proof));
    assert_eq!(one.status + other.status, 601, "exactly one: {one:?} {other:?}");

    // Another client may use the same name.
    let other = world.other_key();
    let token = bound(&world.issuer, &other);
    assert_ok(&world.send("GET /r", &token, &[&other.proof("GET", R, &token).id("one").sign()]).await);
}

#[tokio::test]
async fn s6_12_a_used_proof_is_remembered_as_long_as_it_would_be_accepted() {
    let world = World::new().await;
    let proof = world.proof(json!({ "iat": world.now() + 10 }));
    assert_ok(&world.get(&proof).await);
    world.issuer.clock().advance(Duration::from_secs(65));
    assert_bad_proof(&world.get(&proof).await);
    // Whatever the wall clock does.
    let start = world.issuer.clock().now();
    world.issuer.clock().advance(Duration::from_secs(3600));
    assert_ok(&world.with_claims(json!({})).await);
    world.issuer.clock().step_wall(UnixTime::from_secs(start.as_secs() - 60));
    // Still recorded in its part of the store, or forgotten while the clock is behind what the store has seen.
    let code = world.get(&proof).await.code();
    assert!(["invalid_dpop_proof", "proof_unavailable"].contains(&code.as_str()), "{code}");
}

#[tokio::test]
async fn s6_12_a_proof_from_before_the_start_of_the_service_may_have_been_used() {
    let world = World::new().await;
    assert_bad_proof(&world.with_claims(json!({ "iat": world.now() - 1 })).await);
    assert_ok(&world.with_claims(json!({})).await);
}

/// A store that says always the same, and counts.
#[derive(Debug)]
struct Fixed(ReplayOutcome, AtomicUsize);

impl ReplayStore for Fixed {
    fn insert(&self, proof: &ProofUse<'_>) -> ReplayQuery {
        assert!(proof.name().ends_with(proof.id()) && proof.ends_at() > proof.issued_at());
        let (outcome, calls) = (self.0, self.1.fetch_add(1, Ordering::SeqCst));
        match calls % 2 {
            0 => ReplayQuery::Known(outcome),
            _ => ReplayQuery::Pending(Box::pin(async move {
                tokio::task::yield_now().await;
                outcome
            })),
        }
    }
}

#[derive(Debug)]
struct Silent;

impl ReplayStore for Silent {
    fn insert(&self, _: &ProofUse<'_>) -> ReplayQuery {
        ReplayQuery::Pending(Box::pin(std::future::pending()))
    }
}

#[tokio::test]
async fn s6_14_a_store_that_does_not_know_answers_503_and_never_lets_in() {
    for (outcome, status) in [
        (ReplayOutcome::New, 200),
        (ReplayOutcome::Used, 401),
        (ReplayOutcome::Forgotten, 401),
        (ReplayOutcome::Unknown, 503),
    ] {
        let store = Arc::new(Fixed(outcome, AtomicUsize::new(0)));
        let world = World::with(Dpop::at(API).replay_store(Arc::clone(&store))).await;
        for _ in 0..2 {
            let answer = world.with_claims(json!({})).await;
            assert_eq!(answer.status, status, "{outcome:?}: {answer:?}");
            if status == 503 {
                assert_eq!((answer.code().as_str(), challenges(&answer).len()), ("proof_unavailable", 0), "{answer:?}");
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
        }
        assert_eq!(store.1.load(Ordering::SeqCst), 2);
    }
    let silent = Dpop::at(API).replay_store(Arc::new(Silent)).timeout(Duration::from_millis(20));
    assert_eq!(World::with(silent).await.with_claims(json!({})).await.status, 503);
}

#[tokio::test]
async fn s6_14_s11_11_one_client_fills_its_share_and_others_are_served() {
    let world = World::with(Dpop::at(API).replay_store(Arc::new(MemoryReplays::new().max_proofs(64 * 16)))).await;
    let send = async |key: &TestKey, subject: &str, client_id: &str| {
        let draft = good(&world.issuer).subject(subject).client_id(client_id);
        let token = draft.lifetime(Duration::from_secs(7200)).bound_to(key).sign();
        world.send("GET /r", &token, &[&key.proof("GET", R, &token).sign()]).await
    };
    // One key, one client, and as many users as it likes.
    let (mut refused, mut accepted) = (0, 0);
    for number in 0..1_000 {
        let answer = send(&world.key, &format!("user {}", number % 40), "busy").await;
        match answer.status {
            200 => accepted += 1,
            _ => {
                assert_eq!((answer.status, answer.code().as_str()), (503, "proof_unavailable"));
                refused += 1;
            }
        }
    }
    assert!(accepted <= 64 * 8 && refused > 400, "half of the issuer's part: {accepted}, {refused}");
    let other = world.other_key();
    for number in 0..20 {
        let answer = send(&other, "user 1", &format!("client {number}")).await;
        assert_eq!(answer.status, 200, "another client of the same user, {number}: {answer:?}");
    }
    // The share is free again once its proofs are too old.
    world.issuer.clock().advance(Duration::from_secs(80));
    assert_eq!(send(&world.key, "user 1", "busy").await.status, 200);
}

/// What costs most comes last: an RSA key is prepared only for a token that is bound to it.
#[tokio::test]
async fn s6_27_a_key_is_prepared_only_for_a_token_that_is_bound_to_it() {
    let world = World::new().await;
    // A modulus of the right size that is none: preparing the key finds that it is weak.
    let modulus = base64_simd::URL_SAFE_NO_PAD.encode_to_string([0xff; 256]);
    let jwk = json!({ "kty": "RSA", "n": modulus, "e": "AQAB" });
    let header = json!({ "alg": "RS256", "jwk": jwk });
    for (changes, code) in [
        (json!({ "htm": "POST" }), "invalid_dpop_proof"),
        (json!({ "ath": hash("other") }), "invalid_dpop_proof"),
        (json!({}), "token_invalid"),
    ] {
        let proof = with_header(with_claims(world.draft(), &changes), &header).sign();
        assert_eq!(world.get(&proof).await.code(), code, "{changes}");
    }
    let larger = base64_simd::URL_SAFE_NO_PAD.encode_to_string([0xff; 513]);
    let header = json!({ "alg": "RS256", "jwk": { "kty": "RSA", "n": larger, "e": "AQAB" } });
    assert_bad_proof(&world.get(&world.proof_with_header(header)).await);
}

/// A request that passes a layer twice, or two layers, has used its proof once.
#[tokio::test]
async fn s6_11_a_request_uses_its_proof_once_however_many_layers_it_passes() {
    let issuer = TestIssuer::new();
    let key = TestKey::new(issuer.clock());
    let token = bound(&issuer, &key);
    let store = Arc::new(MemoryReplays::new());
    let shared = || Dpop::at(API).replay_store(Arc::clone(&store));
    let layer = |dpop| builder(&issuer).dpop(dpop).build().expect("a layer");
    let own = Dpop::at(API);
    let apps = [
        Router::new().route("/r", get(who)).layer(layer(shared())).layer(layer(shared())),
        // A, B, A
        Router::new().route("/r", get(who)).layer(layer(own.clone())).layer(layer(shared())).layer(layer(own)),
        countersign::app::protect(
            countersign::app::Routes::new().get("/r", any_authenticated(), who).get(
                "/hidden/{id}",
                scope("admin").hidden(),
                who,
            ),
            layer(shared()),
        )
        .into(),
    ];
    for app in apps {
        let service = Service::start(app).await;
        let proof = key.proof("GET", R, &token).sign();
        let (authorization, proof) = (format!("Authorization: DPoP {token}"), format!("DPoP: {proof}"));
        assert_ok(&service.request("GET /r", &[&authorization, &proof]).await);
        assert_bad_proof(&service.request("GET /r", &[&authorization, &proof]).await);
    }
}

#[tokio::test]
async fn s6_15_a_proof_is_for_one_token() {
    assert_eq!(
        hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
        "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
        "the example of RFC 9449"
    );
    let world = World::new().await;
    let own = hash(&world.token);
    for ath in
        [json!(null), json!(format!("{own}=")), json!(hash("other")), json!(""), json!(own.to_lowercase()), json!(1)]
    {
        assert_bad_proof(&world.with_claims(json!({ "ath": ath })).await);
    }
    let second = bound(&world.issuer, &world.key);
    assert_ok(&world.send("GET /r", &second, &[&world.proof(json!({ "ath": hash(&second) }))]).await);
    assert_bad_proof(&world.send("GET /r", &second, &[&world.proof(json!({}))]).await);
}

#[tokio::test]
async fn s6_17_a_nonce_of_this_service_is_demanded_and_told() {
    let nonces = Nonces::from_secret(&Secret::new(vec![7; 32])).expect("a secret");
    let world = World::with(Dpop::at(API).nonces(nonces.clone())).await;
    let forged = Nonces::generate().expect("random").current(world.issuer.clock().now());
    for nonce in [json!(null), json!(""), json!("made-up"), json!(forged)] {
        let answer = world.with_claims(json!({ "nonce": nonce })).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "use_dpop_nonce"), "{answer:?}");
        assert!(answer.challenge().starts_with("DPoP realm=\"api\", error=\"use_dpop_nonce\""), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let told = answer.header("dpop-nonce").expect("a nonce").to_owned();
        let repeated = world.with_claims(json!({ "nonce": told })).await;
        assert_ok(&repeated);
        assert_eq!(repeated.header("dpop-nonce"), None, "it is the current one");
    }
    let first = nonces.current(world.issuer.clock().now());
    world.issuer.clock().advance(Duration::from_secs(120));
    let answer = world.with_claims(json!({ "nonce": first })).await;
    assert_ok(&answer);
    let next = answer.header("dpop-nonce").expect("the next nonce").to_owned();
    assert!(next != first && answer.header("cache-control") == Some("no-store"));
    assert_ok(&world.with_claims(json!({ "nonce": next })).await);
    world.issuer.clock().advance(Duration::from_secs(120));
    assert_eq!(world.with_claims(json!({ "nonce": first })).await.code(), "use_dpop_nonce");
    // A page of another origin may read it, on success too.
    let late = nonces.current(UnixTime::from_secs(world.now() - 120));
    let proof = world.proof(json!({ "nonce": late }));
    let headers = [format!("Authorization: DPoP {}", world.token), format!("DPoP: {proof}")];
    let answer = world.service.request("GET /r", &[&headers[0], &headers[1], "Origin: https://app.test"]).await;
    assert_eq!((answer.status, answer.header("access-control-expose-headers")), (200, Some("dpop-nonce")));
    let headers = [format!("Authorization: DPoP {}", world.token), format!("DPoP: {}", world.proof(json!({})))];
    let answer = world.service.request("GET /r", &[&headers[0], &headers[1], "Origin: https://app.test"]).await;
    assert!(answer.header("access-control-expose-headers").is_some_and(|names| names.contains("dpop-nonce")));
}

#[tokio::test]
async fn s6_19_a_cached_token_still_needs_its_proof() {
    let world = World::new().await;
    assert_ok(&world.with_claims(json!({})).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[]).await);
    assert_bad_token(&world.service.get("/r", &world.token).await, "Bearer");
    assert_bad_proof(&world.with_claims(json!({ "htm": "POST" })).await);
    assert_ok(&world.with_claims(json!({})).await);
}

#[tokio::test]
async fn s5_13_s6_25_challenges_name_what_helps() {
    let world = World::new().await;
    let none = world.service.request("GET /r", &[]).await;
    assert_eq!(none.status, 401);
    let both = challenges(&none);
    assert_eq!(both[0], "Bearer realm=\"api\"");
    assert!(
        both.len() == 2 && both[1].starts_with("DPoP realm=\"api\", algs=\"") && both[1].contains("ES256"),
        "{both:?}"
    );

    let bearer = good(&world.issuer).sign();
    let answer = world.service.get("/bound", &bearer).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "bound_token_required"), "{answer:?}");
    let only = challenges(&answer);
    assert!(only.len() == 1 && only[0].starts_with("DPoP realm=\"api\", error=\"invalid_token\""), "{only:?}");
    assert!(only[0].contains("algs=\""), "{only:?}");
    let proof = world.proof(json!({ "htu": "https://api.test/bound" }));
    assert_ok(&world.send("GET /bound", &world.token, &[&proof]).await);

    let proof = world.proof(json!({ "htu": "https://api.test/scoped" }));
    let answer = world.send("GET /scoped", &world.token, &[&proof]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.challenge().starts_with("DPoP realm=\"api\", error=\"insufficient_scope\""), "{answer:?}");
    assert_eq!(challenges(&answer).len(), 1);
    let answer = world.service.get("/scoped", &bearer).await;
    assert!(answer.challenge().starts_with("Bearer realm=\"api\", error=\"insufficient_scope\""), "{answer:?}");
}

#[tokio::test]
async fn s6_24_s6_26_a_confirmation_that_cannot_be_checked_is_refused_under_both_schemes() {
    let world = World::new().await;
    let jkt = world.key.thumbprint();
    for cnf in [
        json!({}),
        json!({ "kid": "x" }),
        json!({ "jku": "https://evil.test" }),
        json!(null),
        json!("x"),
        json!({ "jkt": "short" }),
        json!({ "jkt": format!("{jkt}=") }),
        json!({ "jkt": [jkt] }),
        json!({ "jkt": jkt, "x5t#S256": 1 }),
        json!({ "jkt": jkt, "x5t#S256": jkt }),
    ] {
        let token = good(&world.issuer).claim("cnf", cnf.clone()).sign();
        assert_bad_token(&world.service.get("/r", &token).await, "Bearer");
        let proof = world.proof(json!({ "ath": hash(&token) }));
        assert_bad_token(&world.send("GET /r", &token, &[&proof]).await, "DPoP");
    }
    let token = good(&world.issuer).claim("cnf", json!({ "jkt": jkt, "kid": "x" })).sign();
    assert_ok(&world.send("GET /r", &token, &[&world.proof(json!({ "ath": hash(&token) }))]).await);
}

#[tokio::test]
async fn s6_26_an_issuer_whose_tokens_must_be_bound() {
    let issuer = TestIssuer::new();
    let trusted = issuer.trusted_for("api").proof_of_possession_required();
    let verifier =
        Verifier::builder().clock(Arc::new(issuer.clock().clone())).trust(trusted).build().expect("a policy");
    let layer = AuthenticateLayer::builder(verifier).dpop(Dpop::at(API)).build().expect("a layer");
    let service = Service::start(Router::new().route("/r", get(who)).layer(layer)).await;
    let answer = service.get("/r", &good(&issuer).sign()).await;
    assert_bad_token(&answer, "DPoP");
    assert_eq!(challenges(&answer).len(), 1, "another bearer token would not help");

    let trusted = issuer.trusted_for("api").proof_of_possession_required();
    let verifier =
        Verifier::builder().clock(Arc::new(issuer.clock().clone())).trust(trusted).build().expect("a policy");
    let error = AuthenticateLayer::builder(verifier).build().expect_err("nobody could be accepted");
    assert_eq!(error.faults()[0].field, "proof_of_possession_required");
}

#[tokio::test]
async fn s5_02_s5_09_a_proof_excuses_no_malformed_credential() {
    let world = World::new().await;
    let proof = world.proof(json!({}));
    for token in ["", "a b", "a,b", &format!("{}, Bearer {}", world.token, world.token)] {
        assert_eq!(world.send("GET /r", token, &[&proof]).await.status, 400, "{token}");
    }
    let authorization = format!("Authorization: DPoP {}", world.token);
    let dpop = format!("DPoP: {proof}");
    assert_eq!(world.service.request("GET /r", &[&authorization, &authorization, &dpop]).await.status, 400);
    let in_query = world.send(&format!("GET /r?access_token={}", world.token), &world.token, &[&proof]).await;
    assert_eq!(in_query.status, 400);
    assert_ok(&world.get(&proof).await);
}

#[test]
fn s6_09_settings_that_prove_nothing_are_refused() {
    let issuer = TestIssuer::new();
    let fields = |dpop: Dpop| {
        let error = builder(&issuer).dpop(dpop).build().expect_err("a fault");
        error.faults().iter().map(|fault| fault.field.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(fields(Dpop::at("api.test")), ["external_url"]);
    assert_eq!(fields(Dpop::at(API).and_at("https://api.test?x")), ["external_url"]);
    assert_eq!(fields(Dpop::at(API).algorithms([Algorithm::HS256])), ["algorithms"]);
    assert_eq!(fields(Dpop::at(API).algorithms([Algorithm::HS256, Algorithm::ES256])), ["algorithms"]);
    assert_eq!(fields(Dpop::at(API).algorithms([])), ["algorithms"]);
    assert_eq!(fields(Dpop::at(API).timeout(Duration::ZERO)), ["timeout"]);
    assert_eq!(fields(Dpop::at(API).max_age(Duration::from_secs(301))), ["max_age"]);
    assert!(Nonces::from_secret(&Secret::new(vec![1; 31])).is_err());
}
