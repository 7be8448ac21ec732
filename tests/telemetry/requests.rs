//! Text from untrusted clients: it controls neither the log nor a decision.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::{AuthenticateLayerBuilder, CookieToken};
use countersign::error::VerifyErrorKind;
use countersign::prelude::*;
use countersign::pseudonym::Pseudonyms;
use countersign::response::Detail;
use countersign::secret::Secret;
use countersign_test::{Provider, TestIssuer};
use tower::ServiceExt;

use crate::recorder::Recorder;

fn app(issuer: &TestIssuer) -> Router {
    let admin = get(|| async { "in" }).layer(require(role("admin")));
    Router::new().route("/", admin).layer(AuthenticateLayer::new(issuer.verifier_for("api")))
}

async fn status(app: &Router, path: &str, headers: &[(&str, &str)]) -> u16 {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    answer.status().as_u16()
}

/// Nothing of the header is in the record: a word that is no known scheme may be the token.
#[tokio::test]
async fn s5_01_another_scheme_leaves_a_line_without_the_token() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let app = app(&issuer);
    let token = issuer.token().audience("api").sign();
    for (line, scheme) in [
        (format!("JWT {token}"), "JWT"),
        (token.clone(), "none"),
        (format!("{token} x"), "unknown"),
        ("basic dTpw".to_owned(), "Basic"),
    ] {
        assert_eq!(status(&app, "/", &[("authorization", &line)]).await, 401);
        let events = recorder.take("countersign::authenticate");
        assert_eq!(events.iter().map(|event| event.field("scheme")).collect::<Vec<_>>(), [scheme]);
        assert!(!format!("{events:?}").contains(&token));
    }
    assert_eq!(status(&app, "/", &[]).await, 401);
    assert!(recorder.take("countersign::authenticate").is_empty(), "nothing was sent");
}

/// The code has a field of its own, and the detail does not repeat it.
#[tokio::test]
async fn the_detail_of_a_refusal_does_not_begin_with_its_code() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let bearer = format!("Bearer {}", issuer.token().audience("account").sign());
    assert_eq!(status(&app(&issuer), "/", &[("authorization", &bearer)]).await, 401);
    let [event] = recorder.take("countersign::authenticate").try_into().expect("one");
    assert_eq!((event.field("message"), event.field("code")), ("refused", "wrong_audience"));
    assert_eq!(event.field("detail"), "aud: expected api, found \"account\"");
}

/// A second layer refuses the tokens of the first one's issuer: the log names both.
#[tokio::test]
async fn a_second_layer_says_that_one_was_there_and_whom_it_trusts() {
    let (recorder, _guard) = Recorder::begin();
    let (one, other) =
        (TestIssuer::new().with_name("https://one.test"), TestIssuer::new().with_name("https://other.test"));
    let layer = |issuer: &TestIssuer| AuthenticateLayer::new(issuer.verifier_for("api"));
    let app = Router::new().route("/", get(|| async { "in" })).layer(layer(&other)).layer(layer(&one));
    let bearer = |issuer: &TestIssuer| format!("Bearer {}", issuer.token().audience("api").sign());
    assert_eq!(status(&app, "/", &[("authorization", &bearer(&one))]).await, 401);
    let events = recorder.take("countersign::authenticate");
    let event = events.iter().find(|event| !event.field("trusted").is_empty()).expect("logged");
    assert_eq!((event.field("accepted_by"), event.field("trusted")), ("https://one.test", "https://other.test"));
    assert_eq!(status(&app, "/", &[("authorization", &bearer(&other))]).await, 401, "refused by the first");
    let [refused] = recorder.take("countersign::authenticate").try_into().expect("one: no layer accepted it");
    let detail = refused.field("detail");
    assert!(
        detail.contains("expected a trusted issuer (https://one.test)") && detail.contains("other.test"),
        "{detail}"
    );
    assert!(refused.field("fix").contains("a second layer adds none to it"), "{refused:?}");
    let near = format!("Bearer {}", one.token().audience("api").claim("iss", "https://one.test/").sign());
    assert_eq!(status(&app, "/", &[("authorization", &near)]).await, 401);
    let [refused] = recorder.take("countersign::authenticate").try_into().expect("one");
    assert!(refused.field("detail").contains("last slash") && refused.field("fix").is_empty(), "{refused:?}");
}

/// The same if the second layer had to wait for keys.
#[tokio::test]
async fn a_second_layer_that_waits_for_keys_says_so_too() {
    let (recorder, _guard) = Recorder::begin();
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let other = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let second = Verifier::new(jwks(provider.url(), other.jwks_url()).audience("api")).expect("a policy");
    let app = Router::new()
        .route("/", get(|| async { "in" }))
        .layer(AuthenticateLayer::new(second))
        .layer(AuthenticateLayer::new(provider.issuer().verifier_for("api")));
    let bearer = format!("Bearer {}", provider.token().audience("api").sign());
    assert_eq!(status(&app, "/", &[("authorization", &bearer)]).await, 401);
    let events = recorder.take("countersign::authenticate");
    let event = events.iter().find(|event| !event.field("trusted").is_empty()).expect("logged");
    assert_eq!((event.field("accepted_by"), event.field("trusted")), (provider.url(), provider.url()));
    // Keys that cannot be fetched say nothing about the layers.
    other.answer_jwks_with(500, "", &[]);
    let unready = Verifier::new(jwks(provider.url(), other.jwks_url()).audience("api")).expect("a policy");
    let app = Router::new()
        .route("/", get(|| async { "in" }))
        .layer(AuthenticateLayer::new(unready))
        .layer(AuthenticateLayer::new(provider.issuer().verifier_for("api")));
    assert_eq!(status(&app, "/", &[("authorization", &bearer)]).await, 503);
    assert!(recorder.all().iter().all(|event| event.field("trusted").is_empty()), "{:?}", recorder.all());
}

/// Every denial leaves a line, that of the extractor too.
#[tokio::test]
async fn a_handler_that_needs_a_tenant_says_that_the_caller_has_none() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let app = Router::new()
        .route("/", get(|tenant: Tenant| async move { tenant.to_string() }))
        .layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let bearer = format!("Bearer {}", issuer.token().audience("api").sign());
    assert_eq!(status(&app, "/", &[("authorization", &bearer)]).await, 403);
    let [event] = recorder.take("countersign::guard").try_into().expect("one");
    assert_eq!((event.field("message"), event.field("code")), ("denied", "forbidden"));
    assert_eq!((event.field("requirement"), event.field("issuer")), ("a tenant", issuer.name()));
    let bearer = format!("Bearer {}", issuer.token().audience("api").tenant("acme").sign());
    assert_eq!(status(&app, "/", &[("authorization", &bearer)]).await, 200);
    assert!(recorder.take("countersign::guard").is_empty());
}

/// A handler's own decision leaves the line of a denied requirement, with a code of its own.
#[tokio::test]
async fn a_handler_that_denies_leaves_a_line() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let pseudonyms = Pseudonyms::new(&Secret::new(vec![7; 32])).expect("a key");
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).log_subjects(pseudonyms);
    let app = Router::new()
        .route("/forbidden", get(|claims: Claims| async move { claims.forbidden() }))
        .route("/missing", get(|claims: Claims| async move { claims.not_found() }))
        .route("/guard", get(|| async { "in" }).layer(require(role("admin"))))
        .layer(layer.build().expect("a layer"));
    let bearer = format!("Bearer {}", issuer.token().audience("api").tenant("acme").sign());
    let mut fields = Vec::new();
    for (path, expected, code) in
        [("/forbidden", 403, "handler_forbidden"), ("/missing", 404, "handler_not_found"), ("/guard", 403, "forbidden")]
    {
        assert_eq!(status(&app, path, &[("authorization", &bearer)]).await, expected);
        let events = recorder.take("countersign::guard");
        let event = events.first().expect("a line");
        let own = ["message", "code", "issuer", "tenant"].map(|name| event.field(name));
        assert_eq!(own, ["denied", code, issuer.name(), "acme"]);
        assert_eq!(event.field("requirement") == "a rule of the handler", path != "/guard");
        fields.push((event.level, event.fields.keys().copied().collect::<BTreeSet<_>>()));
    }
    assert!(fields.windows(2).all(|pair| pair[0] == pair[1]), "the same level and fields: {fields:?}");
    for _ in 0..100 {
        assert_eq!(status(&app, "/forbidden", &[("authorization", &bearer)]).await, 403);
    }
    assert!(recorder.take("countersign::guard").len() <= 10, "at most 10 in a second");
}

/// `Claims` or a guard on a public path answers 401 to everybody; the log says why if a token was sent.
#[tokio::test]
async fn a_token_on_a_public_path_that_needs_a_caller_leaves_a_line() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).public(["/claims", "/guard", "/open"]);
    let app = Router::new()
        .route("/claims", get(|claims: Claims| async move { claims.subject().to_owned() }))
        .route("/guard", get(|| async { "in" }).layer(require(scope("read"))))
        .route("/open", get(|_: Option<Claims>| async { "in" }))
        .layer(layer.build().expect("a layer"));
    let bearer = format!("Bearer {}", issuer.token().audience("api").scope("read").sign());
    for (path, headers, expected, lines) in [
        ("/claims", vec![("authorization", &*bearer)], 401, 1),
        ("/guard", vec![("authorization", &*bearer)], 401, 1),
        ("/open", vec![("authorization", &*bearer)], 200, 0),
        ("/claims", vec![], 401, 0),
        ("/guard", vec![("authorization", "Basic dTpw")], 401, 0),
    ] {
        assert_eq!(status(&app, path, &headers).await, expected, "{path}");
        let events = recorder.take("countersign::authenticate");
        assert_eq!(events.iter().filter(|event| event.field("path") == path).count(), lines, "{path} {events:?}");
    }
}

/// The same for each further location that the layer reads, and for no other.
#[tokio::test]
async fn a_token_in_another_location_on_a_public_path_leaves_a_line_too() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let app = |change: fn(AuthenticateLayerBuilder) -> AuthenticateLayerBuilder| {
        let layer = change(AuthenticateLayer::builder(issuer.verifier_for("api")).public(["/claims"]));
        Router::new()
            .route("/claims", get(|claims: Claims| async move { claims.subject().to_owned() }))
            .layer(layer.build().expect("a layer"))
    };
    let token = issuer.token().audience("api").sign();
    let (cookie, pair) = (format!("session={token}"), format!("bearer, {token}"));
    let plain = app(|layer| layer);
    let with_header = app(|layer| layer.header("x-forwarded-access-token"));
    let with_cookie = app(|layer| layer.cookie(CookieToken::new("session")));
    let with_pair = app(|layer| layer.websocket_protocol_pair());
    let handshake = [("upgrade", "websocket"), ("sec-websocket-protocol", &pair)];
    for (name, app, headers, lines) in [
        ("header", &with_header, vec![("x-forwarded-access-token", &*token)], 1),
        ("header, not read", &plain, vec![("x-forwarded-access-token", &*token)], 0),
        ("cookie", &with_cookie, vec![("cookie", &*cookie)], 1),
        ("another cookie", &with_cookie, vec![("cookie", "theme=dark")], 0),
        ("pair", &with_pair, handshake.to_vec(), 1),
        ("no pair", &with_pair, vec![("upgrade", "websocket"), ("sec-websocket-protocol", "chat")], 0),
    ] {
        assert_eq!(status(app, "/claims", &headers).await, 401, "{name}");
        let events = recorder.take("countersign::authenticate");
        assert_eq!(events.iter().filter(|event| event.field("path") == "/claims").count(), lines, "{name} {events:?}");
    }
}

/// S10.04, CVE-2024-45808: one record, printable, short.
#[tokio::test]
async fn s10_04_foreign_text_is_escaped_and_cut_in_every_field() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let app = app(&issuer);
    let long = "k".repeat(250);
    for hostile in ["a\r\nlevel=ERROR msg=x", "\u{1b}[31mred", "\u{202e}evil", &long] {
        for draft in [
            issuer.token().audience("api").header("kid", hostile),
            issuer.token().audience("api").claim("iss", hostile),
            issuer.token().audience("api").header("typ", hostile),
            issuer.token().audience("api").header("alg", hostile),
            issuer.token().audience(hostile),
            issuer.token().audience("api").claim("sub", hostile).claim("scope", hostile),
        ] {
            let bearer = format!("Bearer {}", draft.sign());
            assert!(matches!(status(&app, "/", &[("authorization", &bearer)]).await, 401 | 403));
            issuer.clock().advance(Duration::from_millis(500)); // so that none is left out
        }
    }
    let events = recorder.all();
    assert!(events.len() >= 20, "{}", events.len());
    let spans = recorder.take_spans();
    assert!(spans.len() >= 20, "{}", spans.len());
    let fields = events.iter().map(|event| &event.fields).chain(spans.iter().map(|span| &span.fields));
    for (name, value) in fields.flatten() {
        assert!(value.chars().all(|c| matches!(c, ' '..='~' | '…')), "{name}: {value:?}");
        assert!(!value.contains(&long[..65]), "{name}: {value:?}");
    }
}

/// S10.05: what may become a label has a bounded set of values, whatever 2,000 untrusted clients send.
#[tokio::test]
async fn s10_05_labels_come_from_closed_sets() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let app = app(&issuer);
    for number in 0..500 {
        let text = format!("random-{number}");
        let token = || issuer.token().audience("api").subject(&text).claim("scope", text.as_str());
        for draft in [
            token(),
            token().header("kid", text.as_str()),
            token().claim("iss", format!("https://{text}.test")),
            token().audience(&text),
        ] {
            let bearer = format!("Bearer {}", draft.sign());
            status(&app, &format!("/?{text}"), &[("authorization", &bearer)]).await;
            issuer.clock().advance(Duration::from_millis(110));
        }
    }
    let events = recorder.all();
    assert!(events.len() > 1000, "{}", events.len());
    let spans = recorder.take_spans();
    assert!(spans.len() > 1000, "{}", spans.len());
    let values = |label: &str| -> BTreeSet<String> {
        let of_spans = spans.iter().filter_map(|span| span.fields.get(label));
        events.iter().filter_map(|event| event.fields.get(label)).chain(of_spans).cloned().collect()
    };
    let codes: BTreeSet<&str> = VerifyErrorKind::ALL.iter().map(|kind| kind.code()).chain(["forbidden"]).collect();
    assert!(values("code").iter().all(|code| codes.contains(code.as_str())), "{:?}", values("code"));
    assert!(values("error.type").iter().all(|code| codes.contains(code.as_str())), "{:?}", values("error.type"));
    assert!(values("code").len() >= 3, "several causes were met: {:?}", values("code"));
    assert_eq!(values("issuer"), BTreeSet::from([issuer.name().to_owned()]), "only trusted ones");
    assert_eq!(values("requirement"), BTreeSet::from(["role admin".to_owned()]));
    for label in ["sub", "subject", "path", "scope", "audience"] {
        assert!(values(label).is_empty(), "{label}");
    }
}

/// S10.06: no subject in any event; if enabled, a pseudonym that another deployment does not share.
#[tokio::test]
async fn s10_06_a_subject_is_logged_only_as_a_pseudonym_and_only_if_enabled() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let subjects = async |builder: AuthenticateLayerBuilder, subject: &str| {
        let layer = builder.build().expect("a layer");
        let admin = get(|| async { "in" }).layer(require(role("admin")));
        let app = Router::new().route("/", admin).layer(layer);
        let bearer = format!("Bearer {}", issuer.token().subject(subject).audience("api").sign());
        assert_eq!(status(&app, "/", &[("authorization", &bearer)]).await, 403);
        let events = [recorder.take("countersign::authenticate"), recorder.take("countersign::guard")].concat();
        assert_eq!(events.len(), 3, "authenticated, denied, and what the caller has");
        assert!(!format!("{events:?}").contains(subject), "{events:?}");
        // What the caller has names no subject in any form.
        let with_subject = events.iter().filter(|event| event.field("message") != "what the denied caller has");
        with_subject.map(|event| event.field("subject").to_owned()).collect::<BTreeSet<_>>()
    };
    let plain = || AuthenticateLayer::builder(issuer.verifier_for("api"));
    let keyed = |byte: u8| {
        let pseudonyms = Pseudonyms::new(&Secret::new(vec![byte; 32])).expect("long enough");
        plain().log_subjects(pseudonyms).detail(Detail::Code)
    };
    assert_eq!(subjects(plain(), "ann-canary").await, BTreeSet::from([String::new()]));
    let ann = subjects(keyed(1), "ann-canary").await;
    assert_eq!(ann.len(), 1, "one pseudonym in both events: {ann:?}");
    assert!(ann.iter().all(|name| name.len() == 16), "64 bits: {ann:?}");
    assert_eq!(subjects(keyed(1), "ann-canary").await, ann, "the same caller again");
    assert_ne!(subjects(keyed(1), "bob-canary").await, ann);
    assert_ne!(subjects(keyed(2), "ann-canary").await, ann, "another deployment");
}

/// S10.11: trace and baggage of a request decide nothing.
#[tokio::test]
async fn s10_11_baggage_of_a_request_decides_nothing() {
    let issuer = TestIssuer::new();
    let app = app(&issuer);
    let clerk = format!("Bearer {}", issuer.token().subject("u1").audience("api").role("clerk").sign());
    let admin = format!("Bearer {}", issuer.token().subject("u1").audience("api").role("admin").sign());
    let trace = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let baggage = ("baggage", "sub=admin,role=admin,roles=admin,tenant=acme");
    let state = ("tracestate", "countersign=admin");
    for (credential, expected) in [(None, 401), (Some(&clerk), 403), (Some(&admin), 200)] {
        let mut headers = credential.map(|value| ("authorization", value.as_str())).into_iter().collect::<Vec<_>>();
        assert_eq!(status(&app, "/", &headers).await, expected);
        headers.extend([trace, baggage, state]);
        assert_eq!(status(&app, "/", &headers).await, expected, "the same with a trace that claims all");
    }
}
