//! Tokens that are bound to the key of a proof (RFC 9449 §5 and §8): CONFORMANCE S6.20.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::proof::Nonces;
use countersign_core::secret::Secret;
use countersign_issuer::{Client, Federation, Issuer, IssuerBuilder};
use countersign_test::{ManualClock, TestIssuer, TestKey, TestProof};
use countersign_tests::proofs::{with_claims, with_header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::direct::{CC, basic};
use crate::service::{SECRET, claims, shop};

pub const NAME: &str = "https://sts.test/tokens";

/// An issuer in this process, a clock that stands, and the key of a client.
pub struct World {
    pub issuer: Issuer,
    pub clock: ManualClock,
    pub key: TestKey,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl World {
    pub fn new() -> Self {
        Self::with(shop)
    }

    pub fn with(settings: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> Self {
        Self::at(NAME, ManualClock::new(UnixTime::from_secs(1_700_000_000)), settings)
    }

    pub fn at(name: &str, clock: ManualClock, settings: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> Self {
        let builder = Issuer::builder(name).clock(Arc::new(clock.clone()));
        let issuer = settings(builder).build().expect("a sound configuration");
        let key = TestKey::new(&clock);
        World { issuer, clock, key }
    }

    /// A platform whose tokens for `pod` authenticate the client `workload`, and the world that trusts it.
    pub fn with_platform() -> (TestIssuer, Self) {
        let platform = TestIssuer::new().with_name("https://cluster.test");
        let world = World::at(NAME, platform.clock().clone(), |builder| {
            let federation = Federation::new(platform.trusted_for(NAME)).add_subject("pod", "workload");
            shop(builder).add_client(Client::new("workload").audiences(["billing"])).add_federation(federation)
        });
        (platform, world)
    }

    /// The key of another client.
    pub fn other_key(&self) -> TestKey {
        TestKey::new(&self.clock)
    }

    /// A good proof by this key.
    pub fn proof_by(&self, key: &TestKey) -> TestProof {
        key.proof_without_token("POST", &format!("{}/token", self.issuer.name()))
    }

    /// A good proof with these claims changed.
    pub fn proof(&self, changes: Value) -> String {
        with_claims(self.proof_by(&self.key), &changes).sign()
    }

    /// The answer to a token request with these credentials, proofs and this form.
    pub async fn ask_as(&self, authorization: &str, proofs: &[&str], form: &str) -> Answer {
        let request = self.request(authorization, proofs, form);
        Answer::of(self.issuer.router().oneshot(request).await.expect("infallible")).await
    }

    /// A token request with these credentials, proofs and this form.
    pub fn request(&self, authorization: &str, proofs: &[&str], form: &str) -> Request<Body> {
        let path = url(self.issuer.name());
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if !authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request = proofs.iter().fold(request, |request, proof| request.header("DPoP", *proof));
        request.body(Body::from(form.to_owned())).expect("a request")
    }

    /// The client `orders` requests a token for itself.
    pub async fn ask(&self, proofs: &[&str]) -> Answer {
        self.ask_as(&basic("orders", SECRET), proofs, CC).await
    }
}

/// The path of the token endpoint.
fn url(name: &str) -> String {
    let path = name.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
    format!("{path}/token")
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
        Answer { status, headers, body: serde_json::from_slice(&body).expect("JSON") }
    }

    /// The token; checks that it is bound to this key, or to none.
    #[track_caller]
    pub fn token_for(&self, key: Option<&TestKey>) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let token = self.body["access_token"].as_str().expect("a token");
        let binding = key.map(|key| json!({ "jkt": key.thumbprint() }));
        assert_eq!(claims(token).get("cnf"), binding.as_ref());
        assert_eq!(self.body["token_type"], if key.is_some() { "DPoP" } else { "Bearer" });
        token.to_owned()
    }

    /// Checks for 400 with this error, which no cache stores.
    #[track_caller]
    pub fn assert_refused(&self, error: &str) {
        assert_eq!((self.status, &self.body["error"]), (StatusCode::BAD_REQUEST, &json!(error)), "{self:?}");
        assert_eq!(self.headers[header::CACHE_CONTROL], "no-store");
        let description = self.body["error_description"].as_str().expect("a description");
        assert!(description.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'), "RFC 6749 §5.2");
    }

    pub fn nonce(&self) -> Option<String> {
        self.headers.get("dpop-nonce").map(|nonce| nonce.to_str().expect("text").to_owned())
    }
}

#[tokio::test]
async fn s6_20_a_good_proof_binds_a_token_of_every_grant() {
    let (platform, world) = World::with_platform();
    world.ask(&[]).await.token_for(None);
    let bound = world.ask(&[&world.proof(json!({}))]).await;
    bound.token_for(Some(&world.key));
    assert_eq!(bound.nonce(), None, "no nonces are demanded");

    let assertion = platform.token().without_claim("client_id").subject("pod").audience(NAME).sign();
    let form = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}");
    world.ask_as("", &[], &form).await.token_for(None);
    world.ask_as("", &[&world.proof(json!({}))], &form).await.token_for(Some(&world.key));
    world.ask_as("", &[&world.proof(json!({ "htm": "GET" }))], &form).await.assert_refused("invalid_dpop_proof");
    // Token exchange: `dpop_exchange.rs`.
}

#[tokio::test]
async fn s6_20_every_algorithm_of_the_metadata_proves_and_no_other_does() {
    let world = World::new();
    let document =
        Request::get("/.well-known/oauth-authorization-server/tokens").body(Body::empty()).expect("a request");
    let response = world.issuer.router().oneshot(document).await.expect("infallible");
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
    let metadata: Value = serde_json::from_slice(&body).expect("JSON");
    let named = metadata["dpop_signing_alg_values_supported"].as_array().expect("a list");
    assert!(named.iter().any(|name| name == "ES256") && !named.iter().any(|name| name == "HS256"), "{named:?}");
    for name in named {
        let algorithm = name.as_str().expect("text").parse().expect("an algorithm");
        let key = TestKey::with_algorithm(algorithm, &world.clock);
        world.ask(&[&world.proof_by(&key).sign()]).await.token_for(Some(&key));
    }
    for alg in ["none", "HS256", "RS1", "ES256K", "es256", ""] {
        let proof = world.proof_by(&world.key).header("alg", alg).sign();
        world.ask(&[&proof]).await.assert_refused("invalid_dpop_proof");
    }
}

#[tokio::test]
async fn s6_20_a_bad_proof_is_refused_and_leaves_no_trace() {
    let world = World::new();
    let now = world.clock.now().as_secs();
    let foreign = world.other_key().public_jwk();
    let mut with_private = foreign.clone();
    with_private["d"] = json!("AAAA");
    let claims = |changes: Value| (json!({}), changes);
    let header = |changes: Value| (changes, json!({}));
    for (header, changes) in [
        claims(json!({ "htm": "GET" })),
        claims(json!({ "htm": "post" })),
        claims(json!({ "htm": null })),
        claims(json!({ "htu": "https://sts.test/token" })),
        claims(json!({ "htu": "https://sts.test/tokens/introspect" })),
        claims(json!({ "htu": "https://sts.test/tokens/token/" })),
        claims(json!({ "htu": "http://sts.test/tokens/token" })),
        claims(json!({ "htu": "https://evil.test/tokens/token" })),
        claims(json!({ "htu": "/tokens/token" })),
        claims(json!({ "htu": null })),
        claims(json!({ "iat": now - 61 })),
        claims(json!({ "iat": now + 11 })),
        claims(json!({ "iat": now.to_string() })),
        claims(json!({ "iat": null })),
        claims(json!({ "exp": now - 1 })),
        claims(json!({ "nbf": now + 61 })),
        claims(json!({ "jti": null })),
        claims(json!({ "jti": "" })),
        claims(json!({ "jti": 1 })),
        claims(json!({ "jti": "x".repeat(257) })),
        claims(json!({ "padding": "x".repeat(8 * 1024) })),
        header(json!({ "typ": "JWT" })),
        header(json!({ "typ": null })),
        header(json!({ "jwk": null })),
        header(json!({ "jwk": null, "kid": "1" })),
        header(json!({ "jwk": foreign })),
        header(json!({ "jwk": with_private })),
        header(json!({ "jwk": { "kty": "oct", "k": "AAAA" } })),
        header(json!({ "crit": ["exp"] })),
    ] {
        let proof = with_claims(world.proof_by(&world.key).id("one"), &changes);
        let refused = world.ask(&[&with_header(proof, &header).sign()]).await;
        refused.assert_refused("invalid_dpop_proof");
        assert!(refused.nonce().is_none() && !refused.body.to_string().contains("evil"), "{refused:?}");
    }
    let good = world.proof(json!({ "jti": "one" }));
    let (start, _) = good.rsplit_once('.').expect("a signature");
    for text in ["x", "a.b.c", start, &format!("{start}."), &format!("{good}x"), "Bearer x"] {
        world.ask(&[text]).await.assert_refused("invalid_dpop_proof");
    }
    world.ask(&[&good]).await.token_for(Some(&world.key));
}

#[tokio::test]
async fn s6_20_s6_08_a_proof_may_say_more_and_name_the_endpoint_in_another_spelling() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(60)); // proofs from before the start are refused
    let now = world.clock.now().as_secs();
    for changes in [
        json!({ "iat": now - 60 }),
        json!({ "iat": now + 10 }),
        json!({ "ath": "of no token" }),
        json!({ "nonce": "not demanded", "other": [1] }),
        json!({ "htu": "HTTPS://STS.test:443/tokens/./%74oken?a=b#c" }),
    ] {
        world.ask(&[&world.proof(changes)]).await.token_for(Some(&world.key));
    }
    let at_root = World::at("http://127.0.0.1:4000", world.clock.clone(), shop);
    at_root.ask(&[&at_root.proof(json!({}))]).await.token_for(Some(&at_root.key));
}

#[tokio::test]
async fn s6_20_s6_03_a_request_has_one_proof() {
    let world = World::new();
    let [one, two] = [(); 2].map(|()| world.proof(json!({})));
    world.ask(&[&one, &two]).await.assert_refused("invalid_dpop_proof");
    world.ask(&[&one, &one]).await.assert_refused("invalid_dpop_proof");
    world.ask(&[&format!("{one}, {two}")]).await.assert_refused("invalid_dpop_proof");
    world.ask(&[""]).await.assert_refused("invalid_dpop_proof");
    world.ask(&["", &one]).await.assert_refused("invalid_dpop_proof");
    for proof in [&one, &two] {
        world.ask(&[proof]).await.token_for(Some(&world.key));
    }
}

#[tokio::test]
async fn s6_20_proofs_are_demanded_of_a_client_or_of_all() {
    let only = |builder: IssuerBuilder| {
        let client = Client::new("bound").secret(Secret::from(SECRET)).audiences(["billing"]);
        shop(builder).add_client(client.dpop_bound_access_tokens())
    };
    let of_one = World::with(only);
    let bound = basic("bound", SECRET);
    let missing = of_one.ask_as(&bound, &[], CC).await;
    missing.assert_refused("invalid_dpop_proof");
    assert!(missing.body["error_description"].as_str().expect("text").contains("one DPoP header"), "{missing:?}");
    of_one.ask_as(&bound, &[&of_one.proof(json!({}))], CC).await.token_for(Some(&of_one.key));
    of_one.ask(&[]).await.token_for(None);

    let of_all = World::with(|builder| shop(builder).dpop_bound_access_tokens());
    of_all.ask(&[]).await.assert_refused("invalid_dpop_proof");
    of_all.ask(&[&of_all.proof(json!({}))]).await.token_for(Some(&of_all.key));
    let wrong = of_all.ask_as(&basic("orders", "a wrong secret, long enough"), &[], CC).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "the client is authenticated first");
}

#[tokio::test]
async fn s6_20_s6_17_nonces_are_demanded_told_and_shared_by_instances() {
    let secret = Secret::new(vec![7; 32]);
    let nonces = || Nonces::from_secret(&secret).expect("long enough");
    let world = World::with(|builder| shop(builder).dpop_nonces(nonces()));
    let without = world.ask(&[&world.proof(json!({ "jti": "one" }))]).await;
    without.assert_refused("use_dpop_nonce");
    let nonce = without.nonce().expect("a nonce");
    let granted = world.ask(&[&world.proof(json!({ "jti": "one", "nonce": nonce }))]).await;
    granted.token_for(Some(&world.key));
    assert_eq!(granted.nonce(), Some(nonce.clone()), "for the next proof");

    for wrong in [json!("x"), json!(""), json!(format!("{nonce}x")), json!(nonces().current(UnixTime::default()))] {
        world.ask(&[&world.proof(json!({ "nonce": wrong }))]).await.assert_refused("use_dpop_nonce");
    }
    let faulty = world.ask(&[&world.proof(json!({ "nonce": nonce, "htm": "GET" }))]).await;
    faulty.assert_refused("invalid_dpop_proof");
    let bearer = world.ask(&[]).await;
    bearer.token_for(None);
    assert_eq!(bearer.nonce(), None);

    let other = World::at(NAME, world.clock.clone(), |builder| shop(builder).dpop_nonces(nonces()));
    other.ask(&[&other.proof(json!({ "nonce": nonce }))]).await.token_for(Some(&other.key));
    world.clock.advance(Duration::from_secs(120));
    let before = world.ask(&[&world.proof(json!({ "nonce": nonce }))]).await;
    before.token_for(Some(&world.key));
    assert_ne!(before.nonce(), Some(nonce.clone()), "the next one");
    world.clock.advance(Duration::from_secs(120));
    world.ask(&[&world.proof(json!({ "nonce": nonce }))]).await.assert_refused("use_dpop_nonce");
}

#[tokio::test]
async fn s6_20_a_bound_token_is_described_and_revoked_as_such() {
    let world = World::new();
    let token = world.ask(&[&world.proof(json!({}))]).await.token_for(Some(&world.key));
    let describe = async || {
        let form = format!("token={token}");
        crate::direct::post(&world.issuer, "/tokens/introspect", &basic("billing", SECRET), &form).await.2
    };
    let described = describe().await;
    assert_eq!((&described["active"], &described["token_type"]), (&json!(true), &json!("DPoP")), "{described}");
    assert_eq!(described["cnf"], json!({ "jkt": world.key.thumbprint() }));
    let form = format!("token={token}");
    let (status, ..) = crate::direct::post(&world.issuer, "/tokens/revoke", &basic("orders", SECRET), &form).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(describe().await, json!({ "active": false }));
}
