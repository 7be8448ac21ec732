//! Bound tokens in every client stack, for callers, by each grant, and from the policy file.

use std::sync::{Arc, Mutex};

use countersign::clock::UnixTime;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{
    Assertion, AttachTokenLayer, AttachTokenMiddleware, ClientCredentials, DpopKey, ForwardedToken, Outbound,
    OutboundErrorKind, RepeatOnNonceLayer, TokenRequest, TokenSource,
};
use countersign::policy::Policy;
use countersign_test::{ManualClock, TestIssuer};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use crate::calls::caller;
use crate::dpop::{NOW, binding, bound_token, client, proof, source, with_nonce};
use crate::servers::{Seen, Server, json as answer, unauthorized};

#[tokio::test]
async fn s7_21_the_middleware_sends_proofs_and_uses_nonces() {
    let issuer = binding().await;
    let target = Server::start(|_, seen| match proof(seen).1["nonce"].as_str() {
        Some("right") => answer(200, "{}".into()),
        _ => with_nonce(unauthorized(r#"DPoP error="use_dpop_nonce""#), "right"),
    })
    .await;
    let faults = AttachTokenMiddleware::builder().bind(&target.url, source(&issuer)).build().expect_err("a fault");
    assert!(faults.to_string().contains("client_follows_no_redirects"), "{faults}");
    let attach = AttachTokenMiddleware::builder().client_follows_no_redirects().bind(&target.url, source(&issuer));
    let stack = reqwest_middleware::ClientBuilder::new(client()).with(attach.build().expect("bound")).build();
    let response = stack.put(format!("{}/x?y", target.url)).body("{}").send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), target.count(), issuer.count()), (200, 2, 1));
    let seen = target.seen();
    let (_, claims) = proof(&seen[1]);
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("PUT"), &json!(format!("{}/x", target.url))));
    assert_ne!(proof(&seen[0]).1["jti"], claims["jti"]);
}

#[tokio::test]
async fn s7_21_the_layer_sends_proofs_and_has_the_nonce_in_the_next_request() {
    let issuer = binding().await;
    let sent = Arc::new(Mutex::new(Vec::<Seen>::new()));
    let record = Arc::clone(&sent);
    let inner = tower::service_fn(move |request: http::Request<()>| {
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        record.lock().expect("not poisoned").push(Seen { method, uri, headers, body: String::new() });
        let response =
            http::Response::builder().status(401).header("www-authenticate", r#"DPoP error="use_dpop_nonce""#);
        let response = response.header("dpop-nonce", "right").body(());
        async { response }
    });
    let clock = ManualClock::new(UnixTime::from_secs(NOW));
    let builder = AttachTokenLayer::builder().clock(Arc::new(clock)).bind("https://billing.test", source(&issuer));
    let layer = builder.build().expect("a layer");
    for address in ["https://Billing.test:443/a/../b?c", "https://billing.test"] {
        let request = http::Request::patch(address).body(()).expect("a request");
        let response = layer.layer(inner.clone()).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 401);
    }
    let sent = sent.lock().expect("not poisoned");
    assert_eq!((sent.len(), issuer.count()), (2, 1), "not sent again, and the token stays");
    for (seen, address, nonce) in
        [(&sent[0], "https://billing.test/a/../b", Value::Null), (&sent[1], "https://billing.test/", json!("right"))]
    {
        let (_, claims) = proof(seen);
        assert_eq!((&claims["htm"], &claims["htu"]), (&json!("PATCH"), &json!(address)));
        assert_eq!((&claims["iat"], &claims["nonce"]), (&json!(NOW), &nonce));
        for name in ["authorization", "dpop"] {
            assert!(seen.headers[name].is_sensitive(), "{name} is hidden from Debug");
        }
    }
}

/// A tower client of a service that demands the nonce `right`, and the requests that it got.
fn demanding()
-> (impl tower::Service<Request, Response = http::Response<()>, Error = http::Error, Future: Send> + Clone, Sent) {
    let sent = Sent::default();
    let record = Arc::clone(&sent);
    let inner = tower::service_fn(move |request: Request| {
        let (parts, body) = request.into_parts();
        let seen = Seen { method: parts.method, uri: parts.uri, headers: parts.headers, body };
        let is_right = proof(&seen).1["nonce"] == "right";
        record.lock().expect("not poisoned").push(seen);
        let response = match is_right {
            true => http::Response::builder().status(200),
            false => http::Response::builder()
                .status(401)
                .header("www-authenticate", r#"DPoP error="use_dpop_nonce""#)
                .header("dpop-nonce", "right"),
        };
        async move { response.body(()) }
    });
    (inner, sent)
}

type Request = http::Request<String>;
type Sent = Arc<Mutex<Vec<Seen>>>;

#[tokio::test]
async fn s7_18_s7_21_around_a_tower_client_a_demanded_nonce_repeats_the_request_once_with_its_body() {
    let issuer = binding().await;
    let attach = AttachTokenLayer::builder().bind("https://billing.test", source(&issuer)).build().expect("a layer");
    let request = |body: &str| http::Request::put("https://billing.test/x").body(body.to_owned()).expect("a request");
    let (inner, sent) = demanding();
    let client = RepeatOnNonceLayer::for_cloneable_bodies().layer(attach.layer(inner));
    for (body, count) in [("first", 2), ("second", 3)] {
        let response = client.clone().oneshot(request(body)).await.expect("an answer");
        let sent = sent.lock().expect("not poisoned");
        assert_eq!((response.status().as_u16(), sent.len(), &*sent[count - 1].body), (200, count, body));
        assert_ne!(proof(&sent[count - 2]).1["jti"], proof(&sent[count - 1]).1["jti"]);
    }
    assert_eq!(issuer.count(), 1, "the token stays");

    let attach = AttachTokenLayer::builder().bind("https://billing.test", source(&issuer)).build().expect("a layer");
    let (inner, sent) = demanding();
    let client = RepeatOnNonceLayer::new(|_: &Request| None).layer(attach.layer(inner));
    assert_eq!(client.oneshot(request("streamed")).await.expect("an answer").status(), 401);
    assert_eq!(sent.lock().expect("not poisoned").len(), 1, "without a copy");
}

#[tokio::test]
async fn s7_18_only_a_demanded_nonce_repeats_a_request_and_only_once() {
    let answers = [
        (401, r#"DPoP error="use_dpop_nonce""#, Some("n"), 2),
        (401, r#"DPoP error="use_dpop_nonce""#, None, 1),
        (401, r#"DPoP error="invalid_token""#, Some("n"), 1),
        (400, r#"DPoP error="use_dpop_nonce""#, Some("n"), 1),
        (200, r#"DPoP error="use_dpop_nonce""#, Some("n"), 1),
    ];
    for (status, challenge, nonce, expected) in answers {
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let inner = tower::service_fn(move |_: Request| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let response = http::Response::builder().status(status).header("www-authenticate", challenge);
            let response = nonce.into_iter().fold(response, |response, nonce| response.header("dpop-nonce", nonce));
            async move { response.body(()) }
        });
        let client = RepeatOnNonceLayer::for_cloneable_bodies().layer(inner);
        let request = http::Request::put("https://billing.test/x").body(String::new()).expect("a request");
        assert_eq!(client.oneshot(request).await.expect("an answer").status().as_u16(), status);
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), expected, "{status} {challenge} {nonce:?}");
    }
}

#[tokio::test]
async fn s7_21_every_grant_has_a_proof() {
    let provider = TestIssuer::with_system_clock();
    let ann = caller(&provider, &provider.token().subject("ann").audience("orders").sign()).await;
    let (issuer, target) = (binding().await, Server::start(|_, _| answer(200, "{}".into())).await);
    let key = DpopKey::generate().expect("a key");
    let new = || ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    let signer = || Signer::generate(Algorithm::ES256).expect("a key");
    let assertion = Assertion::new("https://orders.test", "ann", signer());
    let with_assertion = new().assertion_audience("https://id.test").jwt_bearer(assertion).dpop(key.clone());
    let exchanging = new().dpop(key.clone()).actor(new().dpop(key.clone()));
    let builder = || Outbound::builder(client()).client_follows_no_redirects();
    let outbound = builder().bind(&target.url, with_assertion).build().expect("bound");
    outbound.send(outbound.client().get(&target.url)).await.expect("an answer");
    let outbound = builder().bind(&target.url, exchanging).build().expect("bound").on_behalf_of(&ann);
    outbound.send(outbound.client().get(&target.url)).await.expect("an answer");

    let seen = issuer.seen();
    let grants: Vec<_> = seen.iter().map(|seen| seen.body.split('&').next().expect("a grant").to_owned()).collect();
    assert_eq!(grants.len(), 3);
    for (grant, end) in grants.iter().zip(["jwt-bearer", "client_credentials", "token-exchange"]) {
        assert!(grant.ends_with(end), "{grants:?}");
    }
    assert!(seen[2].body.contains("actor_token=token-1&"), "{}", seen[2].body);
    for seen in seen.iter().chain(&target.seen()) {
        assert_eq!(proof(seen).0, proof(&issuer.seen()[0]).0, "the same key");
    }
    assert_eq!(target.seen()[1].header("authorization"), Some("DPoP token-2"));
    // The source of the actor follows redirects nowhere, but that of the calls may.
    assert!(Outbound::builder(client()).bind(&target.url, new().actor(new().dpop(key))).build().is_ok());
}

#[tokio::test]
async fn s7_25_a_callers_token_that_is_bound_to_a_key_is_not_forwarded() {
    let provider = TestIssuer::with_system_clock();
    let source = ForwardedToken::new("billing");
    let bound = provider.token().audience("billing").claim("cnf", json!({ "jkt": "abc" })).sign();
    let plain = provider.token().audience("billing").sign();
    for (token, is_forwarded) in [(bound, false), (plain, true)] {
        let expires_at = UnixTime::from_secs(4_000_000_000);
        let caller = countersign::authenticate::CallerToken::unverified(&token.into(), expires_at);
        let mut request = TokenRequest::default();
        request.subject = Some(caller);
        let outcome = source.token(&request).await;
        assert_eq!(outcome.is_ok(), is_forwarded);
        if let Err(error) = outcome {
            assert_eq!(error.kind(), OutboundErrorKind::ForwardingRefused);
            assert!(error.to_string().contains("exchange it instead"), "{error}");
        }
    }
}

#[tokio::test]
async fn s7_16_s7_21_a_policy_file_binds_tokens_to_keys() {
    let issuer = Server::start(|n, _| bound_token(&format!("token-{n}"), 3600)).await;
    let thief = Server::start(|_, _| answer(200, "{}".into())).await;
    let there = thief.url.clone();
    let billing = Server::start(move |_, _| {
        let mut response = answer(307, String::new());
        response.headers_mut().insert("location", there.parse().expect("a value"));
        response
    })
    .await;
    let stock = Server::start(|_, _| answer(200, "{}".into())).await;
    let folder = std::env::temp_dir().join(format!("countersign-dpop-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (secret, key) = (folder.join("secret"), folder.join("key.pem"));
    std::fs::write(&secret, "s3cret-value").expect("written");
    let signer = Signer::generate(Algorithm::ES384).expect("a key");
    let der = base64_simd::STANDARD.encode_to_string(signer.private_key().expose());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&key, pem).expect("written");
    let binding = |origin: &str, rest: &str| {
        format!(
            "[[outbound]]\norigin = \"{origin}\"\ntoken_endpoint = \"{}/token\"\nclient = \"orders\"\n\
             secret_file = \"{}\"\n{rest}\n",
            issuer.url,
            secret.display()
        )
    };
    let in_file =
        format!("dpop_key_file = \"{}\"\ndpop_key_algorithm = \"ES384\"\naccept_bearer_tokens = true", key.display());
    let issuers = "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n";
    let text = format!("{issuers}{}{}", binding(&billing.url, "dpop = true"), binding(&stock.url, &in_file));
    let policy = Policy::from_toml(&text).expect("a policy");
    assert_eq!(Policy::from_toml(&policy.to_toml()).as_ref(), Ok(&policy));
    assert_eq!(Policy::from_json(&policy.to_json()).as_ref(), Ok(&policy));

    let outbound = Outbound::from_config(&policy).expect("bound");
    let response = outbound.send(outbound.client().get(&billing.url)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), thief.count()), (307, 0), "it follows no redirects");
    outbound.send(outbound.client().get(&stock.url)).await.expect("an answer");
    let jwk = |server: &Server| proof(&server.seen()[0]).0["jwk"].clone();
    assert_eq!((&jwk(&billing)["crv"], &jwk(&stock)["crv"]), (&json!("P-256"), &json!("P-384")));
    assert_eq!(jwk(&stock)["x"], signer.public_jwk().expect("a public half")["x"]);
    std::fs::remove_dir_all(&folder).expect("removed");

    for (rest, expected) in [
        ("dpop = true\ntoken_file = \"a\"", "dpop: set beside token_file"),
        ("client = \"orders\"\nsecret_file = \"a\"\naccept_bearer_tokens = true", "accept_bearer_tokens: set without"),
        ("client = \"orders\"\nsecret_file = \"a\"\ndpop_key_algorithm = \"ES256\"", "dpop_key_algorithm: set without"),
    ] {
        let text = format!("{issuers}[[outbound]]\norigin = \"https://billing.test\"\n{rest}\n");
        let faults = Outbound::from_config(&Policy::from_toml(&text).expect("a policy")).expect_err("a fault");
        let fault = &faults.faults()[0];
        assert!(
            format!("{}: {}", fault.field, fault.problem).starts_with(&format!("https://billing.test: {expected}")),
            "{faults}"
        );
    }
}
