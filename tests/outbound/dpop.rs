//! Tokens that are bound to a key (RFC 9449), and what is sent with them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::Response;
use base64_simd::URL_SAFE_NO_PAD;
use countersign::clock::UnixTime;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{
    ClientCredentials, DpopKey, Outbound, OutboundToken, SelfSignedToken, TokenFuture, TokenRequest, TokenSource,
};
use countersign::secret::Secret;
use countersign_core::integration::sha256;
use countersign_test::ManualClock;
use serde_json::{Value, json};

use crate::calls::Recorder;
use crate::servers::{Seen, Server, json as answer, unauthorized};

pub const NOW: u64 = 1_700_000_000;
const NONCE_DEMANDED: &str = r#"DPoP error="use_dpop_nonce", algs="ES256""#;

/// A token response with a bound token.
pub fn bound_token(token: &str, expires_in: u64) -> Response {
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let body = json!({
        "access_token": token, "token_type": "DPoP", "expires_in": expires_in, "issued_token_type": kind,
    });
    answer(200, body.to_string())
}

/// A token service: bound tokens `token-0`, `token-1` and so on.
pub async fn binding() -> Server {
    Server::start(|n, _| bound_token(&format!("token-{n}"), 3600)).await
}

async fn ok() -> Server {
    Server::start(|_, _| answer(200, "{}".into())).await
}

pub fn with_nonce(mut response: Response, nonce: &str) -> Response {
    response.headers_mut().append("dpop-nonce", HeaderValue::from_str(nonce).expect("a value"));
    response
}

pub fn source(issuer: &Server) -> ClientCredentials {
    source_with(issuer, &DpopKey::generate().expect("a key"))
}

fn source_with(issuer: &Server, key: &DpopKey) -> ClientCredentials {
    let source = ClientCredentials::from_token_endpoint(format!("{}/token?tenant=a", issuer.url));
    source.client("orders", String::from("s3cret-value")).dpop(key.clone())
}

/// A client that follows no redirects, so that proofs stay where they belong.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

fn bound(source: impl TokenSource, target: &Server, clock: &ManualClock) -> Outbound {
    let builder = Outbound::builder(client()).client_follows_no_redirects().clock(Arc::new(clock.clone()));
    builder.bind(&target.url, source).build().expect("bound")
}

fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(NOW))
}

/// The header and the claims of the only proof of a request.
pub fn proof(seen: &Seen) -> (Value, Value) {
    assert_eq!(seen.headers.get_all("dpop").iter().count(), 1, "one proof");
    let part = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url");
        serde_json::from_slice::<Value>(&bytes).expect("JSON")
    };
    let mut parts = seen.header("dpop").expect("a proof").split('.');
    (part(parts.next().expect("a header")), part(parts.next().expect("claims")))
}

fn claims(seen: &Seen) -> Value {
    proof(seen).1
}

fn ids(seen: &[Seen]) -> std::collections::HashSet<String> {
    seen.iter().map(|seen| claims(seen)["jti"].as_str().expect("an id").to_owned()).collect()
}

fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode_to_string(sha256(token))
}

#[tokio::test]
async fn s7_21_each_request_has_a_proof_of_its_own() {
    let (issuer, target, clock) = (binding().await, ok().await, clock());
    let outbound = bound(source(&issuer), &target, &clock);
    let address = format!("{}/invoices/%C3%BC?page=2#top", target.url);
    outbound.send(outbound.client().get(&address)).await.expect("an answer");
    clock.advance(Duration::from_secs(7));
    outbound.send(outbound.client().post(&address).body("{}")).await.expect("an answer");

    let asked = &issuer.seen()[0];
    assert_eq!(issuer.count(), 1);
    let (header, claimed) = proof(asked);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    assert_eq!(claimed["htm"], "POST");
    assert_eq!(claimed["htu"], format!("{}/token", issuer.url), "without the query");
    assert_eq!((&claimed["iat"], &claimed["ath"], &claimed["nonce"]), (&json!(NOW), &Value::Null, &Value::Null));

    let seen = target.seen();
    for (seen, method, issued_at) in [(&seen[0], "GET", NOW), (&seen[1], "POST", NOW + 7)] {
        assert_eq!(seen.header("authorization"), Some("DPoP token-0"));
        let (sent, claimed) = proof(seen);
        assert_eq!(sent, header, "the key that the token is bound to");
        let expected = json!({
            "htm": method, "htu": format!("{}/invoices/%C3%BC", target.url), "iat": issued_at,
            "ath": hash("token-0"), "jti": claimed["jti"],
        });
        assert_eq!(claimed, expected);
    }
    assert_eq!(ids(&[seen, issuer.seen()].concat()).len(), 3, "three proofs");
}

#[tokio::test]
async fn s7_21_a_nonce_of_the_token_endpoint_is_used_after_one_more_request() {
    let issuer = Server::start(|n, seen| match claims(seen)["nonce"].as_str() {
        Some("first") => with_nonce(bound_token(&format!("token-{n}"), 0), "second"),
        Some("second") => bound_token(&format!("token-{n}"), 0),
        _ => with_nonce(answer(400, r#"{"error":"use_dpop_nonce"}"#.into()), "first"),
    })
    .await;
    let source = source(&issuer);
    for _ in 0..3 {
        source.token(&TokenRequest::default()).await.expect("a token");
    }
    let seen = issuer.seen();
    let nonces: Vec<_> = seen.iter().map(|seen| claims(seen)["nonce"].clone()).collect();
    assert_eq!(nonces, [Value::Null, json!("first"), json!("second"), json!("second")]);
    assert_eq!(ids(&seen).len(), 4);
    assert!(seen.windows(2).all(|pair| pair[0].body == pair[1].body));
}

#[tokio::test]
async fn s7_21_a_token_endpoint_that_always_demands_a_nonce_is_asked_twice() {
    for (nonces, expected) in [(&["a", "b", "c"][..], 2), (&["a", "a", "a"], 2), (&["x y"], 1), (&[], 1)] {
        let issuer = Server::start(move |n, _| {
            let refusal = answer(400, r#"{"error":"use_dpop_nonce"}"#.into());
            nonces
                .get(n.min(nonces.len().saturating_sub(1)))
                .map_or(refusal, |nonce| with_nonce(answer(400, r#"{"error":"use_dpop_nonce"}"#.into()), nonce))
        })
        .await;
        let error = source(&issuer).token(&TokenRequest::default()).await.expect_err("refused");
        assert_eq!((error.code(), error.oauth_error()), ("token_refused", Some("use_dpop_nonce")));
        assert!(error.to_string().contains("gave no usable one"), "{error}");
        assert_eq!(issuer.count(), expected, "{nonces:?}");
    }
}

#[tokio::test]
async fn s7_21_two_origins_keep_two_nonces_and_a_nonce_stays_at_its_origin() {
    let issuer = Server::start(|n, _| with_nonce(bound_token(&format!("token-{n}"), 3600), "of-issuer")).await;
    let naming = |name: &'static str| Server::start(move |_, _| with_nonce(answer(200, "{}".into()), name));
    let (billing, stock, silent) = (naming("of-billing").await, naming("of-stock").await, ok().await);
    let source = Arc::new(source(&issuer));
    let mut builder = Outbound::builder(client()).client_follows_no_redirects();
    for target in [&billing, &stock, &silent] {
        builder = builder.bind(&target.url, Arc::clone(&source));
    }
    let outbound = builder.build().expect("bound");
    for _ in 0..2 {
        for target in [&billing, &stock, &silent] {
            outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
        }
    }
    for (target, nonce) in [(&billing, json!("of-billing")), (&stock, json!("of-stock")), (&silent, Value::Null)] {
        let seen: Vec<_> = target.seen().iter().map(|seen| claims(seen)["nonce"].clone()).collect();
        assert_eq!(seen, [Value::Null, nonce]);
    }
}

#[tokio::test]
async fn s7_18_s7_19_s7_21_a_demanded_nonce_repeats_the_request_once_with_the_same_token() {
    let (issuer, clock) = (binding().await, clock());
    let target = Server::start(|_, seen| match claims(seen)["nonce"].as_str() {
        Some("right") => answer(200, "{}".into()),
        _ => with_nonce(unauthorized(NONCE_DEMANDED), "right"),
    })
    .await;
    let outbound = bound(source(&issuer), &target, &clock);
    let response = outbound.send(outbound.client().post(&target.url).body("exactly this")).await.expect("an answer");
    assert_eq!((response.status().as_u16(), target.count(), issuer.count()), (200, 2, 1));
    assert!(target.seen().iter().all(|seen| seen.body == "exactly this"));
    assert_eq!(ids(&target.seen()).len(), 2);
    outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
    assert_eq!((target.count(), claims(&target.seen()[2])["nonce"].as_str()), (3, Some("right")), "at once now");

    let demanding = Server::start(|n, _| with_nonce(unauthorized(NONCE_DEMANDED), &format!("nonce-{n}"))).await;
    let outbound = bound(source(&issuer), &demanding, &clock);
    let response = outbound.send(outbound.client().get(&demanding.url)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), demanding.count()), (401, 2));
    let streamed = reqwest::Body::wrap(String::from("gone once sent"));
    let response = outbound.send(outbound.client().post(&demanding.url).body(streamed)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), demanding.count()), (401, 3), "a stream cannot be sent again");
    assert_eq!(claims(&demanding.seen()[2])["nonce"], "nonce-1");

    for same in [&[][..], &["a b"], &["one", "two"]] {
        let useless =
            Server::start(move |_, _| same.iter().fold(unauthorized(NONCE_DEMANDED), |a, n| with_nonce(a, n)));
        let useless = useless.await;
        let outbound = bound(source(&issuer), &useless, &clock);
        outbound.send(outbound.client().get(&useless.url)).await.expect("an answer");
        assert_eq!(useless.count(), 1, "without a usable nonce: {same:?}");
    }
}

#[tokio::test]
async fn s7_18_s7_21_a_nonce_and_another_token_are_two_budgets() {
    let (issuer, clock) = (binding().await, clock());
    let target = Server::start(|n, _| match n {
        0 => with_nonce(unauthorized(NONCE_DEMANDED), "first"),
        1 => with_nonce(unauthorized(r#"DPoP error="invalid_token""#), "second"),
        _ => answer(200, "{}".into()),
    })
    .await;
    let outbound = bound(source(&issuer), &target, &clock);
    let response = outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), target.count(), issuer.count()), (200, 3, 2));
    let sent = |seen: &Seen| (seen.header("authorization").map(str::to_owned), claims(seen)["nonce"].clone());
    let seen: Vec<_> = target.seen().iter().map(sent).collect();
    let token = |number: usize| Some(format!("DPoP token-{number}"));
    assert_eq!(seen, [(token(0), Value::Null), (token(0), json!("first")), (token(1), json!("second"))]);
    for (seen, token) in target.seen().iter().zip(["token-0", "token-0", "token-1"]) {
        assert_eq!(claims(seen)["ath"], hash(token));
    }

    let refusing = Server::start(|_, _| unauthorized(r#"DPoP error="invalid_dpop_proof", algs="ES256""#)).await;
    let outbound = bound(source(&issuer), &refusing, &clock);
    outbound.send(outbound.client().get(&refusing.url)).await.expect("an answer");
    assert_eq!((refusing.count(), issuer.count()), (1, 3), "another token does not help");
}

#[tokio::test]
async fn s7_27_a_token_that_is_not_bound_is_not_sent_unless_it_is_accepted() {
    let (target, clock) = (ok().await, clock());
    let issuer = Server::issuing().await;
    let outbound = bound(source(&issuer), &target, &clock);
    let error = outbound.send(outbound.client().get(&target.url)).await.expect_err("not bound");
    assert_eq!(error.code(), "token_not_bound");
    for part in ["enable DPoP for the client", "/token by client \"orders\""] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!((issuer.count(), target.count()), (1, 0));
    assert!(issuer.seen()[0].header("dpop").is_some());

    let (recorder, _guard) = Recorder::begin();
    let outbound = bound(source(&issuer).accept_bearer_tokens(), &target, &clock);
    outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
    let seen = &target.seen()[0];
    assert_eq!((seen.header("authorization"), seen.header("dpop")), (Some("Bearer token-1"), None));
    assert!(recorder.text().contains("issued a token that is not bound to the key"));
}

#[tokio::test]
async fn s7_16_a_proof_never_follows_a_redirect() {
    let (issuer, clock) = (binding().await, clock());
    let (listening, thief) = (Server::listen().await, ok().await);
    let (here, there) = (format!("{}/elsewhere", listening.url()), thief.url.clone());
    let target = listening.answer(move |_, seen| {
        let to = if seen.uri.path() == "/out" { &there } else { &here };
        let mut response = answer(307, String::new());
        response.headers_mut().insert("location", to.parse().expect("a value"));
        response
    });
    let outbound = bound(source(&issuer), &target, &clock);
    for path in ["/out", "/in"] {
        let request = outbound.client().get(format!("{}{path}", target.url));
        assert_eq!(outbound.send(request).await.expect("the redirect itself").status(), 307);
    }
    assert_eq!((target.count(), thief.count()), (2, 0));

    // A client that may follow redirects is refused before anything is sent, as far as its bindings tell.
    let http = reqwest::Client::new();
    let faults = Outbound::builder(http.clone()).bind(&target.url, source(&issuer)).build().expect_err("a fault");
    assert!(faults.to_string().contains("client_follows_no_redirects"), "{faults}");
    let signed = SelfSignedToken::new("https://orders.test", Signer::generate(Algorithm::ES256).expect("a key"));
    let signed = signed.subject("orders").audience("billing").dpop(DpopKey::generate().expect("a key"));
    let faults = Outbound::builder(http.clone()).bind(&target.url, signed).build().expect_err("a fault");
    assert!(faults.faults()[0].field.ends_with(": dpop"), "{faults}");
    let outbound = Outbound::builder(http.clone()).bind(&target.url, Own).build().expect("bound");
    let error = outbound.send(http.get(&target.url)).await.expect_err("refused");
    assert_eq!((error.code(), target.count()), ("redirects_followed", 2));

    // One that follows them nevertheless is found out.
    let outbound = Outbound::builder(http.clone()).client_follows_no_redirects().bind(&target.url, Own);
    let outbound = outbound.build().expect("bound");
    let error = outbound.send(http.get(format!("{}/out", target.url))).await.expect_err("refused");
    assert_eq!(error.code(), "redirects_followed");
}

/// A source of bound tokens that is not ours.
#[derive(Debug)]
struct Own;

impl TokenSource for Own {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        let signer = Signer::generate(Algorithm::Ed25519).expect("a key");
        Box::pin(async move { OutboundToken::from_dpop(&Secret::from("own-token"), None, signer) })
    }
}

#[tokio::test]
async fn s7_17_a_request_with_a_proof_of_its_own_is_not_sent() {
    let (issuer, target, clock) = (binding().await, ok().await, clock());
    let outbound = bound(source(&issuer), &target, &clock);
    let request = outbound.client().get(&target.url).header("DPoP", "a.b.c");
    assert_eq!(outbound.send(request).await.expect_err("refused").code(), "authorization_already_set");
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn a_token_is_used_with_the_key_that_it_was_requested_with() {
    let issuer = Server::start(|n, _| bound_token(&format!("token-{n}"), 100)).await;
    let (target, clock) = (ok().await, clock());
    let key = DpopKey::generate().expect("a key");
    let outbound = bound(source_with(&issuer, &key), &target, &clock);
    let call = async || outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
    call().await;
    key.rotate(Signer::generate(Algorithm::ES384).expect("a key")).expect("a key pair");
    call().await;
    clock.advance(Duration::from_secs(95));
    call().await;
    let used = |seen: &Seen| proof(seen).0["alg"].as_str().expect("a name").to_owned();
    let seen = target.seen();
    let sent: Vec<_> = seen.iter().map(|seen| (seen.header("authorization").expect("a token"), used(seen))).collect();
    let old = ("DPoP token-0", "ES256".to_owned());
    assert_eq!(sent, [old.clone(), old, ("DPoP token-1", "ES384".to_owned())]);
    assert_eq!(issuer.seen().iter().map(used).collect::<Vec<_>>(), ["ES256", "ES384"]);

    let shared = Signer::from_secret(Secret::new(vec![7; 32]), Algorithm::HS256, "shared").expect("a secret");
    let fault = key.rotate(shared).expect_err("no key pair");
    assert!(fault.to_string().contains("a shared secret proves no possession"), "{fault}");
}

#[tokio::test]
async fn a_key_in_a_file_is_read_for_each_token_and_never_shown() {
    let file = std::env::temp_dir().join(format!("countersign-dpop-{}", std::process::id()));
    let write = |signer: &Signer| {
        let der = base64_simd::STANDARD.encode_to_string(signer.private_key().expose());
        let lines: Vec<_> = der.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        std::fs::write(&file, pem).expect("written");
        der
    };
    let issuer = Server::start(|n, _| bound_token(&format!("token-{n}"), 0)).await;
    let key = DpopKey::from_file(&file, Algorithm::ES256);
    let source = source_with(&issuer, &key);
    let (first, second) = (Signer::generate(Algorithm::ES256), Signer::generate(Algorithm::ES256));
    for (number, signer) in [first.expect("a key"), second.expect("a key")].iter().enumerate() {
        let secret = write(signer);
        let token = source.token(&TokenRequest::default()).await.expect("a token");
        let jwk = proof(&issuer.seen()[number]).0["jwk"].clone();
        let public = signer.public_jwk().expect("a public half");
        assert_eq!((&jwk["x"], &jwk["y"]), (&public["x"], &public["y"]));
        let in_memory = DpopKey::from_signer(Signer::generate(Algorithm::ES256).expect("a key"));
        let shown = format!("{key:?} {source:?} {token:?} {in_memory:?}");
        assert!(!shown.contains(&secret[40..60]) && !shown.contains("token-"), "{shown}");
    }
    assert!(key.rotate(Signer::generate(Algorithm::ES256).expect("a key")).is_err(), "the file has the key");
    std::fs::write(&file, "no key").expect("written");
    source.token(&TokenRequest::default()).await.expect("the last good key");
    std::fs::remove_file(&file).expect("removed");
}

#[tokio::test]
async fn s10_01_no_proof_nonce_or_bound_token_is_recorded_or_shown() {
    let (recorder, _guard) = Recorder::begin();
    tracing::trace!("the recorder records");
    let clock = clock();
    let echoing = Server::start(|_, seen| {
        let sent = seen.header("dpop").expect("a proof").to_owned();
        let body = json!({ "error": "invalid_dpop_proof", "error_description": format!("got {sent}") });
        with_nonce(answer(400, body.to_string()), "nonce-of-the-issuer")
    })
    .await;
    let target = Server::start(|_, _| with_nonce(unauthorized(NONCE_DEMANDED), "nonce-of-the-target")).await;
    let outbound = bound(source(&echoing), &target, &clock);
    let error = outbound.send(outbound.client().get(&target.url)).await.expect_err("refused");
    assert!(error.to_string().contains("compare the clocks"), "{error}");
    recorder.add(&(&error, error.to_string(), outbound));
    let issuer = binding().await;
    let outbound = bound(source(&issuer), &target, &clock);
    let response = outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), target.count()), (401, 2));
    recorder.add(&outbound);
    let recorded = recorder.text();
    assert!(recorded.contains("the recorder records") && recorded.contains("token fetched"));
    for hidden in ["eyJ", "nonce-of", "token-0", "s3cret-value"] {
        assert!(!recorded.contains(hidden), "{hidden} is in {recorded}");
    }
}

#[test]
fn a_key_that_cannot_make_a_proof_is_a_fault() {
    let shared = Signer::from_secret(Secret::new(vec![7; 32]), Algorithm::HS256, "shared").expect("a secret");
    let large = Signer::generate(Algorithm::MlDsa87).expect("a key");
    for (signer, problem) in [(shared, "a shared secret proves no possession"), (large, "the proof would have")] {
        let source = ClientCredentials::from_issuer("https://id.test").client("orders", "s3cret-value");
        let builder = Outbound::builder(client()).client_follows_no_redirects();
        let builder = builder.bind("https://billing.test", source.dpop(DpopKey::from_signer(signer)));
        let faults = builder.build().expect_err("no key for proofs");
        assert!(faults.to_string().contains(problem), "{faults}");
    }
}
