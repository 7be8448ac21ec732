//! The responses to refused requests.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use countersign::authenticate::{AuthenticateLayer, danger};
use countersign::key::{KeyCell, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign::lifetime::{TokenEndAction, end_with_token};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign::response::Detail;
use countersign_test::{Attack, TestIssuer, TokenDraft};
use countersign_tests::http::{Answer, Service};

use crate::app::{builder, good, layer, service, who};

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "S5.18");
    let body = answer.json();
    assert_eq!(body["status"], status, "S5.17: the body repeats the status");
    assert_eq!(body["code"], code);
    assert_eq!(body["type"], format!("urn:countersign:problem:{code}"));
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()));
}

#[tokio::test]
async fn s5_03_s5_06_a_bad_token_is_401_invalid_token() {
    let (issuer, service) = service().await;
    let foreign = TestIssuer::new();
    let cases = [
        ("expired", good(&issuer).expired().sign(), "token_expired"),
        ("early", good(&issuer).not_yet_valid().sign(), "token_not_yet_valid"),
        ("audience", issuer.token().audience("other").sign(), "token_invalid"),
        ("kid", good(&issuer).header("kid", "nope").sign(), "token_invalid"),
        ("signature", good(&foreign).sign(), "token_invalid"),
        ("issuer", good(&issuer).claim("iss", "https://other.test").sign(), "token_invalid"),
        ("garbage", "abc".to_owned(), "token_invalid"),
    ];
    for (case, token, code) in cases {
        let answer = service.get("/", &token).await;
        assert_problem(&answer, 401, code);
        assert!(answer.challenge().starts_with("Bearer realm=\"api\", error=\"invalid_token\""), "{case}");
    }
    assert_eq!(service.get("/", &good(&issuer).sign()).await.status, 200);
}

#[tokio::test]
async fn s5_03_every_known_attack_is_401_or_400_and_never_passes() {
    let (issuer, service) = service().await;
    for attack in Attack::ALL {
        let answer = service.get("/", &good(&issuer).hostile(*attack).sign()).await;
        assert!(matches!(answer.status, 400 | 401), "{}: {}", attack.name(), answer.status);
        assert!(answer.challenge().starts_with("Bearer realm=\"api\", error="), "S5.06 {}", attack.name());
    }
}

#[tokio::test]
async fn s10_08_causes_that_callers_must_not_distinguish_are_byte_equal() {
    let (issuer, service) = service().await;
    let untrusted = TestIssuer::new();
    let tokens = [
        issuer.token().audience("other").sign(),
        good(&issuer).header("kid", "nope").sign(),
        good(&untrusted).sign(),
        good(&issuer).claim("iss", "https://other.test").sign(),
        good(&issuer).claim("iss", "\" onload=\r\n\u{202e}").sign(),
    ];
    let without_date = |mut answer: Answer| {
        answer.headers.retain(|(name, _)| name != "date");
        answer
    };
    let first = without_date(service.get("/", &tokens[0]).await);
    for token in &tokens[1..] {
        assert_eq!(without_date(service.get("/", token).await), first, "S5.12: no foreign text, and no difference");
    }
}

/// No answer before the signature tells who is trusted: of a forged token, all answers are byte-equal (C3).
#[tokio::test]
async fn s10_08_a_forged_token_learns_nothing_whatever_it_says() {
    let (issuer, service) = service().await;
    let forger = TestIssuer::new(); // its key has the same name
    assert_eq!(forger.key_id(), issuer.key_id());
    let without_date = |mut answer: Answer| {
        answer.headers.retain(|(name, _)| name != "date");
        answer
    };
    type Change = fn(TokenDraft) -> TokenDraft;
    let changes: [(&str, Vec<Change>); 6] = [
        (
            "issuer",
            vec![|draft| draft, |draft| draft.claim("iss", "https://other.test"), |draft| draft.without_claim("iss")],
        ),
        ("audience", vec![|draft| draft, |draft| draft.audience("other"), |draft| draft.without_claim("aud")]),
        ("alg", vec![|draft| draft, |draft| draft.header("alg", "RS256"), |draft| draft.header("alg", "none")]),
        ("typ", vec![|draft| draft, |draft| draft.header("typ", "logout+jwt"), |draft| draft.without_header("typ")]),
        (
            "times",
            vec![
                |draft| draft,
                |draft| draft.expired(),
                |draft| draft.not_yet_valid(),
                |draft| draft.claim("iat", 1_900_000_000),
                |draft| draft.without_claim("exp"),
                |draft| draft.claim("exp", "soon"),
            ],
        ),
        (
            "rest",
            vec![
                |draft| draft,
                |draft| draft.header("kid", "nope"),
                |draft| draft.without_header("kid"),
                |draft| draft.without_claim("sub"),
                |draft| draft.claim("nonce", "n"),
                |draft| draft.claim("roles", 7),
                |draft| draft.claim("cnf", serde_json::json!({})),
            ],
        ),
    ];
    let mut tokens = vec![good(&forger)];
    for (_, changes) in changes {
        tokens = tokens.iter().flat_map(|draft| changes.iter().map(|change| change(draft.clone()))).collect();
    }
    let first = without_date(service.get("/", &good(&forger).sign()).await);
    assert_problem(&first, 401, "token_invalid");
    assert_eq!(tokens.len(), 3 * 3 * 3 * 3 * 6 * 7);
    for draft in tokens {
        let answer = without_date(service.get("/", &draft.sign()).await);
        assert_eq!(answer, first, "{:?}", draft.claims());
    }
    // A changed signature of the right key tells as little; the owner of a token is told that it has expired.
    let expired = good(&issuer).expired();
    let genuine = expired.sign();
    let (rest, signature) = genuine.rsplit_once('.').expect("three parts");
    let changed = format!("{rest}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    assert_eq!(without_date(service.get("/", &changed).await), first);
    assert_eq!(service.get("/", &genuine).await.code(), "token_expired");
    assert_eq!(service.get("/", &good(&issuer).not_yet_valid().sign()).await.code(), "token_not_yet_valid");
    assert_eq!(service.get("/", &good(&issuer).claim("iat", 1_900_000_000).sign()).await.code(), "token_not_yet_valid");
}

#[tokio::test]
async fn s10_08_detail_code_states_the_reason_of_a_signed_token_if_enabled() {
    let issuer = TestIssuer::new();
    let layer = builder(&issuer).detail(Detail::Code).build().expect("a layer");
    let router = Router::new().route("/", get(who)).layer(layer);
    let service = Service::start(router).await;
    let answer = service.get("/", &issuer.token().audience("other").sign()).await;
    assert_eq!(answer.json()["reason"], "wrong_audience");
    // Nobody learns anything from a forged token, whatever it says.
    let other_issuer = TestIssuer::new();
    let forged = |draft: countersign_test::TokenDraft| {
        let (token, good) = (draft.sign(), good(&issuer).sign());
        let signature = good.rsplit('.').next().expect("a signature").to_owned();
        format!("{}.{signature}", token.rsplit_once('.').expect("a token").0)
    };
    for token in [
        forged(issuer.token().audience("other")),
        forged(good(&issuer).expired()),
        other_issuer.token().audience("api").header("kid", "nobody").sign(),
        good(&issuer).claim("iss", "https://other.test").sign(),
        "e30.e30.AA".to_owned(),
    ] {
        let answer = service.get("/", &token).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{answer:?}");
        assert!(answer.json().get("reason").is_none(), "{answer:?}");
    }
    assert_eq!(service.get("/", &good(&issuer).sign()).await.status, 200);
}

/// A key source that never has keys.
#[derive(Debug)]
struct Unreachable(KeyCell);

impl KeySource for Unreachable {
    fn cell(&self) -> &KeyCell {
        &self.0
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(std::future::ready(RefreshOutcome::Unavailable { retry_after: Duration::from_millis(10) }))
    }
}

#[tokio::test]
async fn s5_07_a_key_outage_is_503_without_a_challenge() {
    let issuer = TestIssuer::new();
    let keys = std::sync::Arc::new(Unreachable(KeyCell::new()));
    let trusted = NeedsAudience::new(issuer.name(), keys).audience("api").algorithms([issuer.algorithm()]);
    let verifier = Verifier::builder().trust(trusted).clock(std::sync::Arc::new(issuer.clock().clone())).build();
    let layer = AuthenticateLayer::new(verifier.expect("a good policy"));
    let service = Service::start(Router::new().route("/", get(who)).layer(layer)).await;

    let answer = service.get("/", &good(&issuer).sign()).await;
    assert_problem(&answer, 503, "keys_unavailable");
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.header("retry-after"), Some("1"), "an integer of at least one");
    // What a caller writes into a token cannot make it a 503: this one is refused before keys matter.
    assert_eq!(service.get("/", &good(&issuer).expired().sign()).await.status, 401);
}

/// A key source of the user's own that hangs.
#[derive(Debug)]
struct Hanging(KeyCell);

impl KeySource for Hanging {
    fn cell(&self) -> &KeyCell {
        &self.0
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn s5_07_every_wait_of_the_layer_ends() {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    let issuer = TestIssuer::new();
    let keys = std::sync::Arc::new(Hanging(KeyCell::new()));
    let trusted = NeedsAudience::new(issuer.name(), keys).audience("api").algorithms([issuer.algorithm()]);
    let verifier = Verifier::builder().trust(trusted).clock(std::sync::Arc::new(issuer.clock().clone())).build();
    let verifier = verifier.expect("a good policy");
    let form = danger::token_in_form();
    let router = Router::new().route("/", get(who).post(who)).layer(AuthenticateLayer::new(verifier)).layer(form);
    let request = Request::get("/").header("authorization", format!("Bearer {}", good(&issuer).sign()));
    let answer = router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));

    let never = futures_util::stream::pending::<Result<axum::body::Bytes, std::convert::Infallible>>();
    let form = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let answer = router.oneshot(form.body(Body::from_stream(never)).expect("a request")).await.expect("answered");
    assert_eq!(answer.status().as_u16(), 408);
}

#[tokio::test]
async fn s5_12_realm_and_metadata_that_a_challenge_cannot_hold_are_refused() {
    let issuer = TestIssuer::new();
    for bad in ["a\"b", "a\\b", "caf\u{e9}", "a\r\nX: y", "", "tab\t"] {
        let error = builder(&issuer).realm(bad).resource_metadata_url(bad).build().expect_err(bad);
        let fields: Vec<&str> = error.faults().iter().map(|fault| &*fault.field).collect();
        assert_eq!(fields, ["realm", "resource_metadata_url"], "both at once");
    }
    let layer = builder(&issuer)
        .realm("orders of acme")
        .resource_metadata_url("https://api.test/.well-known/oauth-protected-resource/v1");
    let layer = layer.build().expect("a good realm and address");
    let service = Service::start(Router::new().route("/", get(who)).layer(layer)).await;
    assert_eq!(
        service.request("GET /", &[]).await.challenge(),
        "Bearer realm=\"orders of acme\", \
         resource_metadata=\"https://api.test/.well-known/oauth-protected-resource/v1\"",
        "S5.14"
    );
}

#[tokio::test]
async fn s5_17_s5_18_problems_have_no_store_and_head_has_no_body() {
    let (issuer, service) = service().await;
    assert_problem(&service.request("GET /", &[]).await, 401, "no_token");
    assert_problem(&service.request("GET /", &["Authorization: Bearer"]).await, 400, "invalid_request");
    let get = service.request("GET /", &[]).await;
    let head = service.request("HEAD /", &[]).await;
    assert_eq!((head.status, head.body.as_str()), (401, ""));
    assert_eq!(head.challenge(), get.challenge());
    assert_eq!(service.get("/", &good(&issuer).sign()).await.header("cache-control"), None);
}

#[tokio::test]
async fn s5_18_s5_28_the_handlers_own_answers_pass_unchanged() {
    let issuer = TestIssuer::new();
    let own = |status: StatusCode| {
        get(move || async move {
            let headers = [("cache-control", "max-age=60"), ("www-authenticate", "Own realm=x"), ("x-own", "1")];
            (status, headers, "my own words").into_response()
        })
    };
    let statuses = [("/ok", StatusCode::OK), ("/401", StatusCode::UNAUTHORIZED), ("/403", StatusCode::FORBIDDEN)];
    let router = statuses.iter().fold(Router::new(), |router, (path, status)| router.route(path, own(*status)));
    let service = Service::start(router.layer(layer(&issuer))).await;
    for (path, status) in statuses {
        let answer = service.get(path, &good(&issuer).sign()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status.as_u16(), "my own words"));
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
        assert_eq!(answer.challenge(), "Own realm=x");
        assert_eq!(answer.header("x-own"), Some("1"));
    }
}

/// A refusal of an HTTP service is never a 2xx, which a proxy that asks for permission would take for a yes.
#[tokio::test]
async fn s15_08_no_header_of_a_request_changes_the_form_of_its_refusal() {
    async fn strict(claims: Claims) -> Result<(), countersign::extract::Rejection> {
        claims.require(&role("admin"))
    }
    let issuer = TestIssuer::new();
    let guarded = get(who).layer(require(scope("admin")));
    let ended = get(who).layer(end_with_token(TokenEndAction::Abort));
    let behind = Router::new().route("/guard", guarded.clone()).route("/extractor", get(strict)).layer(layer(&issuer));
    let without = Router::new().route("/no-layer", guarded).route("/no-layer/claims", get(strict)).route("/end", ended);
    let service = Service::start(behind.merge(without)).await;
    let token = format!("Authorization: Bearer {}", good(&issuer).sign());
    let expired = format!("Authorization: Bearer {}", good(&issuer).expired().sign());
    let cases: [(&str, &[&str], u16); 8] = [
        ("/guard", &[], 401),
        ("/guard", &["Authorization: Bearer"], 400),
        ("/guard", &["Authorization: Bearer a b"], 400),
        ("/guard", &[&expired], 401),
        ("/guard", &[&token], 403),
        ("/extractor", &[&token], 403),
        ("/no-layer", &[&token], 500),
        ("/no-layer/claims", &[&token], 500),
    ];
    for (path, credentials, status) in cases {
        let plain = service.request(&format!("GET {path}"), credentials).await;
        assert_eq!(plain.status, status, "{path} {plain:?}");
        for form in [
            "Content-Type: application/grpc",
            "Content-Type: application/grpc+proto",
            "Content-Type: application/grpc-web+proto",
            "Content-Type: text/html",
            "Accept: text/html",
            "TE: trailers",
        ] {
            let lines: Vec<&str> = credentials.iter().copied().chain([form]).collect();
            let answer = service.request(&format!("GET {path}"), &lines).await;
            assert_eq!((answer.status, &answer.body), (status, &plain.body), "{path} {form}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path} {form}");
            assert_eq!(answer.header("grpc-status"), None, "{path} {form}");
        }
    }
    let answer = service.request("GET /end", &["Content-Type: application/grpc"]).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (500, None));
}

#[tokio::test]
async fn s5_29_paths_declared_as_grpc_get_trailers_only_answers() {
    let issuer = TestIssuer::new();
    let guarded = get(who).post(who).layer(require(scope("admin")));
    let layer = builder(&issuer).grpc_paths(["/shop.v1.Orders/"]).build().expect("a layer");
    let app = Router::new().route("/shop.v1.Orders/List", guarded.clone()).route("/orders", guarded).layer(layer);
    let service = Service::start(app).await;
    let grpc = "Content-Type: application/grpc+proto";
    let bearer = |token: String| format!("Authorization: Bearer {token}");
    let cases = [
        (vec![], "16"),
        (vec!["Authorization: Bearer".to_owned()], "16"),
        (vec![bearer(good(&issuer).expired().sign())], "16"),
        (vec![bearer(good(&issuer).sign())], "7"),
    ];
    for (headers, status) in cases {
        let mut lines: Vec<&str> = headers.iter().map(String::as_str).collect();
        lines.push(grpc);
        let answer = service.request("POST /orders", &lines).await;
        assert!(answer.status >= 400 && answer.header("grpc-status").is_none(), "S15.08: not declared: {answer:?}");
        let answer = service.request("POST /shop.v1.Orders/List", &lines).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(answer.header("grpc-status"), Some(status));
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
    }
    let admin = bearer(good(&issuer).scope("admin").sign());
    assert_eq!(service.request("POST /shop.v1.Orders/List", &[&admin, grpc]).await.body, "u1");
}

#[tokio::test]
async fn s15_08_a_path_of_grpc_is_the_prefix_of_one_service() {
    let issuer = TestIssuer::new();
    for bad in ["", "/", "//", "shop.v1.Orders/", "/shop.v1.Orders"] {
        let error = builder(&issuer).grpc_paths([bad]).build().expect_err(bad);
        assert_eq!(error.faults()[0].field, "grpc_paths", "{bad}: {error}");
    }
}

/// Each setting of the layer that weakens it is stopped by a verifier that denies danger.
#[tokio::test]
async fn deny_danger_stops_the_dangers_of_the_layer() {
    use countersign::revocation::{Revocation, RevocationList, UnknownPolicy};

    let issuer = TestIssuer::new();
    let verifier = || {
        let clock = std::sync::Arc::new(issuer.clock().clone());
        let keys = countersign::key::KeySet::from_jwks(issuer.jwks().replace("test-only-", "kid-").as_bytes());
        let keys = countersign::key::StaticKeys::from_set(keys.expect("keys"));
        let trusted = NeedsAudience::new(issuer.name(), std::sync::Arc::new(keys));
        let trusted = trusted.audience("api").algorithms([issuer.algorithm()]);
        Verifier::builder().trust(trusted).clock(clock).deny_danger().build().expect("a strict verifier")
    };
    let open = Revocation::new(std::sync::Arc::new(RevocationList::new())).unknown_policy(UnknownPolicy::FailOpen);
    let layer = AuthenticateLayer::builder(verifier()).revocation(open).detail(Detail::Code);
    let error = layer.build().expect_err("two dangers").to_string();
    assert!(error.contains("FailOpen") && error.contains("Detail::Code"), "{error}");

    let layer = danger::token_in_query(AuthenticateLayer::builder(verifier())).build().expect("the query is ignored");
    let router = Router::new().route("/", get(who).post(who)).layer(layer).layer(danger::token_in_form());
    let service = Service::start(router).await;
    let token = good(&issuer).sign();
    assert_eq!(service.request(&format!("GET /?access_token={token}"), &[]).await.status, 401);
    let body = format!("access_token={token}");
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded";
    let form = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(service.send(form.as_bytes()).await.status, 400, "a token in a form is refused");
}
