//! Who asks for tokens, and how: client authentication, assertions, exchanges, the caller's own token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::authenticate::CallerToken;
use countersign::clock::{SystemClock, UnixTime};
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{
    Assertion, AttachTokenLayer, ClientCredentials, ForwardedToken, Outbound, OutboundContext, OutboundError,
    ProvideCallerLayer, SelfSignedToken, StaticToken, TokenRequest, TokenSource,
};
use countersign::prelude::{Verifier, oidc};
use countersign::secret::Secret;
use countersign_test::{ManualClock, TestIssuer};
use countersign_tests::peers::OpenIdProvider;
use serde_json::Value;
use tower::{Layer, ServiceExt};

use crate::calls::caller;
use crate::servers::{Server, json};

fn decoded(part: &str) -> Value {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The header and claims of the parameter `name` of a form.
fn jwt_in(body: &str, name: &str) -> (Value, Value) {
    let value = body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).expect("the parameter");
    let mut parts = value.split('.');
    (decoded(parts.next().expect("a header")), decoded(parts.next().expect("claims")))
}

fn context() -> OutboundContext {
    OutboundContext::new(Arc::new(SystemClock))
}

fn signer() -> Signer {
    Signer::generate(Algorithm::ES256).expect("a key")
}

#[tokio::test]
async fn s7_04_an_assertion_is_for_the_issuer_alone_short_and_used_once() {
    let issuer = Server::issuing().await;
    let signer = Arc::new(signer());
    let at_1000 = Arc::new(ManualClock::new(UnixTime::from_secs(1000)));
    let source = ClientCredentials::from_token_endpoint(&issuer.url)
        .assertion_audience("https://id.example.com")
        .client_assertion("orders", Assertion::new("orders", "orders", Arc::clone(&signer)));
    assert!(source.attach(&OutboundContext::new(at_1000)).is_empty(), "no faults");
    for _ in 0..2 {
        source.token(&TokenRequest::default()).await.expect("a token");
    }
    let assertions: Vec<_> = issuer.seen().iter().map(|seen| jwt_in(&seen.body, "client_assertion")).collect();
    for (header, claims) in &assertions {
        assert_eq!(header["typ"], "client-authentication+jwt");
        assert_eq!((&header["alg"], &header["kid"]), (&"ES256".into(), &signer.key_id().into()));
        assert_eq!((&claims["iss"], &claims["sub"]), (&"orders".into(), &"orders".into()));
        assert_eq!(claims["aud"], "https://id.example.com");
        assert_eq!((&claims["iat"], &claims["exp"]), (&1000.into(), &1060.into()));
    }
    assert_ne!(assertions[0].1["jti"], assertions[1].1["jti"]);
    let first = &issuer.seen()[0];
    assert_eq!(first.header("authorization"), None);
    assert!(!first.body.contains("client_secret"), "S7.03: one way a request");

    let unsaid = ClientCredentials::from_token_endpoint(&issuer.url).client_key("orders", signer);
    let fault =
        Outbound::builder(reqwest::Client::new()).bind("https://b.test", unsaid).build().expect_err("for whom?");
    assert!(fault.to_string().contains("assertion_audience"), "{fault}");
}

#[tokio::test]
async fn s7_05_a_projected_assertion_is_read_for_each_request() {
    let path = std::env::temp_dir().join(format!("countersign-assertion-{}", std::process::id()));
    let issuer = Server::issuing().await;
    let source =
        ClientCredentials::from_token_endpoint(&issuer.url).client_assertion("orders", Assertion::from_file(&path));
    for written in ["first.a.b", "second.a.b"] {
        std::fs::write(&path, written).expect("written");
        source.token(&TokenRequest::default()).await.expect("a token");
        let body = issuer.seen().last().expect("one").body.clone();
        assert!(body.ends_with(&format!("client_assertion={written}")), "{body}");
    }
    std::fs::remove_file(&path).expect("removed");
}

#[tokio::test]
async fn an_assertion_is_a_grant_too() {
    let issuer = Server::issuing().await;
    let source = ClientCredentials::from_token_endpoint(&issuer.url)
        .assertion_audience("https://id.example.com")
        .jwt_bearer(Assertion::new("https://orders.internal", "ann", signer()).add_audience("billing"))
        .scope("invoices:write");
    let faults = source.attach(&context());
    assert!(faults.is_empty(), "{faults:?}");
    source.token(&TokenRequest::default()).await.expect("a token");
    let body = &issuer.seen()[0].body;
    assert!(body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="), "{body}");
    let (_, claims) = jwt_in(body, "assertion");
    assert_eq!((&claims["iss"], &claims["sub"]), (&"https://orders.internal".into(), &"ann".into()));
    assert_eq!(claims["aud"], serde_json::json!(["https://id.example.com", "billing"]));

    let nameless = Assertion::new("https://orders.internal", "ann", signer()).add_audience("");
    let source = ClientCredentials::from_issuer("https://id.example.com").jwt_bearer(nameless);
    assert_eq!(source.attach(&context()).len(), 1, "an empty audience");
}

#[tokio::test]
async fn s7_01_parameters_of_a_service_are_sent_once_and_none_of_ours_is_replaced() {
    let issuer = Server::issuing().await;
    let source = || ClientCredentials::from_token_endpoint(&issuer.url).client("orders", "s3cret-value").scope("a");
    let extended = source().parameter("organization", "a&b").parameter("x-new", "1");
    assert!(extended.attach(&context()).is_empty());
    extended.token(&TokenRequest::default()).await.expect("a token");
    assert_eq!(issuer.seen()[0].body, "grant_type=client_credentials&scope=a&organization=a%26b&x-new=1");
    for name in ["scope", "client_id", "grant_type", "subject_token", ""] {
        let faults = source().parameter(name, "x").attach(&context());
        assert_eq!(faults.first().map(|fault| fault.field.as_ref()), Some("parameter"), "{name}");
    }
    assert_eq!(source().parameter("a", "1").parameter("a", "2").attach(&context()).len(), 1, "named twice");
}

#[tokio::test]
async fn s7_22_entra_takes_the_callers_token_as_an_assertion() {
    let provider = TestIssuer::with_system_clock();
    let inbound = provider.token().audience("orders").sign();
    let caller = caller(&provider, &inbound).await;
    let issuer = Server::start(|_, _| {
        json(200, r#"{"access_token":"for-billing","token_type":"Bearer","expires_in":3599}"#.into())
    })
    .await;
    let (target, http) = (Server::start(|_, _| json(200, "{}".into())).await, reqwest::Client::new());
    let source = || {
        ClientCredentials::from_token_endpoint(&issuer.url)
            .client("orders", "s3cret-value")
            .scope("api://billing/.default")
            .entra_on_behalf_of()
    };
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source()).build().expect("bound");
    outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect("sent");
    assert_eq!(target.seen()[0].header("authorization"), Some("Bearer for-billing"));
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let body = format!(
        "grant_type={grant}&assertion={inbound}&requested_token_use=on_behalf_of&scope=api%3A%2F%2Fbilling%2F.default"
    );
    assert_eq!(issuer.seen()[0].body, body);
    outbound.send(http.get(&target.url)).await.expect("sent");
    assert!(issuer.seen()[1].body.starts_with("grant_type=client_credentials&"), "its own token");
    let faults = source().actor(StaticToken::new("who-acts".into())).attach(&context());
    assert_eq!(faults.first().map(|fault| fault.field.as_ref()), Some("actor"));
}

#[tokio::test]
async fn s7_22_an_actor_goes_along_whole_or_not_at_all() {
    let provider = TestIssuer::with_system_clock();
    let caller = caller(&provider, &provider.token().audience("orders").sign()).await;
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    let http = reqwest::Client::new();
    let source = || ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    let acting = source().actor(StaticToken::new("who-acts".into()));
    for (source, acts) in [(acting, true), (source(), false)] {
        let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
        outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect("sent");
        let body = issuer.seen().last().expect("one").body.clone();
        let pair = "&actor_token=who-acts&actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
        assert_eq!((body.contains(pair), body.contains("actor")), (acts, acts), "{body}");
    }
}

#[tokio::test]
async fn s7_25_a_callers_token_goes_only_where_its_audience_says() {
    let provider = TestIssuer::with_system_clock();
    let (target, http) = (Server::start(|_, _| json(200, "{}".into())).await, reqwest::Client::new());
    let outbound =
        Outbound::builder(http.clone()).bind(&target.url, ForwardedToken::new("billing")).build().expect("bound");
    for audience in ["bill", "billing2"] {
        let inbound = provider.token().audience("orders").add_audience(audience).sign();
        let caller = caller(&provider, &inbound).await;
        let error = outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect_err("not for it");
        assert_eq!(error.code(), "forwarding_refused");
    }
    let error = outbound.send(http.get(&target.url)).await.expect_err("nobody");
    assert_eq!((error.code(), target.count()), ("forwarding_refused", 0));
    let inbound = provider.token().audience("orders").add_audience("billing").sign();
    let caller = caller(&provider, &inbound).await;
    outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect("for it");
    assert_eq!(target.seen()[0].header("authorization"), Some(format!("Bearer {inbound}").as_str()));
}

#[tokio::test]
async fn a_self_signed_token_is_one_that_its_target_accepts() {
    let signer = Arc::new(signer());
    let source = SelfSignedToken::new("https://orders.internal", Arc::clone(&signer)).subject("orders").scope("a b");
    assert!(!source.attach(&context()).is_empty(), "no audience");
    let source = source.audience("billing");
    let (target, http) = (Server::start(|_, _| json(200, "{}".into())).await, reqwest::Client::new());
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
    for _ in 0..3 {
        outbound.send(http.get(&target.url)).await.expect("sent");
    }
    let sent = target.seen()[0].header("authorization").expect("a token").trim_start_matches("Bearer ").to_owned();
    let (header, claims) = jwt_in(&format!("t={sent}"), "t");
    assert_eq!(
        (&header["typ"], &claims["aud"], &claims["scope"]),
        (&"at+jwt".into(), &"billing".into(), &"a b".into())
    );
    let stats = &outbound.stats()[0];
    assert_eq!((stats.0.as_str(), stats.1.fetches, stats.1.failures), (target.url.as_str(), 1, 0));
    assert!(stats.1.age.is_some_and(|age| age < Duration::from_secs(60)));
}

#[tokio::test]
async fn s9_13_the_present_caller_is_known_to_his_own_task_alone() {
    let provider = TestIssuer::with_system_clock();
    let caller = caller(&provider, &provider.token().subject("ann").audience("orders").sign()).await;
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    let http = reqwest::Client::new();
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
    let error = outbound.on_behalf_of_current_caller().expect_err("nobody calls");
    assert_eq!(error.code(), "no_caller");

    let (outer, url) = (outbound.clone(), target.url.clone());
    let handler = tower::service_fn(move |_: http::Request<()>| {
        let (outbound, http, url) = (outer.clone(), http.clone(), url.clone());
        async move {
            let spawned = outbound.clone();
            let elsewhere = tokio::spawn(async move { spawned.on_behalf_of_current_caller().map(|_| ()) });
            assert_eq!(elsewhere.await.expect("no panic").expect_err("another task").code(), "no_caller");
            outbound.on_behalf_of_current_caller()?.send(http.get(&url)).await?;
            Ok::<_, OutboundError>(())
        }
    });
    let service = ProvideCallerLayer.layer(handler);
    let mut request = http::Request::new(());
    request.extensions_mut().insert::<CallerToken>(caller);
    service.clone().oneshot(request).await.expect("sent on his behalf");
    assert!(issuer.seen()[0].body.contains("subject_token="));
    let error = service.oneshot(http::Request::new(())).await.expect_err("no caller, no call");
    assert_eq!((error.code(), target.count()), ("no_caller", 1));
}

#[tokio::test]
async fn s10_11_the_trace_goes_along_and_no_identity() {
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    let http = reqwest::Client::new();
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut inbound = http::HeaderMap::new();
    for (name, value) in
        [("traceparent", parent), ("x-request-id", "r-1"), ("baggage", "sub=admin"), ("x-user-id", "admin")]
    {
        inbound.insert(name, value.parse().expect("a value"));
    }
    let request = http.get(&target.url).header("x-request-id", "my-own");
    outbound.in_trace_of(&inbound).send(request).await.expect("sent");
    let seen = &target.seen()[0];
    assert_eq!((seen.header("traceparent"), seen.header("x-request-id")), (Some(parent), Some("my-own")));
    assert_eq!((seen.header("baggage"), seen.header("x-user-id")), (None, None));
}

/// The client's private JWK as PKCS#8.
fn pkcs8(jwk: &Value) -> Secret<Vec<u8>> {
    const BEFORE_KEY: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420";
    const BEFORE_POINT: &str = "a14403420004";
    let unhex = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    };
    let part = |name: &str| {
        base64_simd::URL_SAFE_NO_PAD.decode_to_vec(jwk[name].as_str().expect("a member")).expect("base64url")
    };
    Secret::new([unhex(BEFORE_KEY), part("d"), unhex(BEFORE_POINT), part("x"), part("y")].concat())
}

#[tokio::test]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn a_real_provider_takes_each_way_of_authentication_and_we_take_its_tokens() {
    let provider = OpenIdProvider::start("ES256,RS256");
    let (issuer, secret) = (provider.issuer().to_owned(), Secret::from(provider.client_secret()));
    let verifier = Verifier::new(oidc(&issuer).audience("https://orders.test")).expect("a verifier");
    let key = Signer::from_pkcs8_der(pkcs8(provider.client_key()), Algorithm::ES256).expect("its key");
    let source = || ClientCredentials::from_issuer(&issuer).resource("https://orders.test").scope("orders:read");
    let key = key.with_key_id("svc-pkjwt-1");
    for (client, source) in [
        ("svc-basic", source().client("svc-basic", secret.clone())),
        ("svc-post", source().client("svc-post", secret.clone()).client_secret_post()),
        ("svc-pkjwt", source().client_key("svc-pkjwt", key)),
    ] {
        let sent = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&sent);
        let inner = tower::service_fn(move |request: http::Request<()>| {
            let value = request.headers()["authorization"].to_str().expect("text").to_owned();
            *keep.lock().expect("not poisoned") = value.trim_start_matches("Bearer ").to_owned();
            async { Ok::<_, std::convert::Infallible>(http::Response::new(())) }
        });
        let layer = AttachTokenLayer::builder().bind("https://orders.test", source).build().expect("a layer");
        let request = http::Request::get("https://orders.test/").body(()).expect("a request");
        layer.layer(inner).oneshot(request).await.unwrap_or_else(|error| panic!("{client}: {error}"));
        let token = sent.lock().expect("not poisoned").clone();
        let verified = verifier.verify(&token).await.unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(verified.client_id(), Some(client));
    }
    let wrong = source().client("svc-basic", Secret::from("another")).token(&TokenRequest::default()).await;
    assert_eq!(wrong.expect_err("a wrong secret").oauth_error(), Some("invalid_client"));
}
