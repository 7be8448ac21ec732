//! Callers of opaque tokens behind the layer: guards, revocation, policies that are replaced.

use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign::clock::Clock;
use countersign::revocation::RevocationList;
use countersign_test::TestIssuer;
use serde_json::json;

use crate::server::{Server, TOKEN, asking, claims, eventually, get_at, got, json_answer, service, service_of};

#[tokio::test]
async fn s13_12_guards_and_extractors_see_the_caller_of_an_opaque_token_as_any_other() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server));
    assert_eq!(get_at(&service, "/write", TOKEN).await.status, 200);
    assert_eq!(get_at(&service, "/clerks", TOKEN).await.status, 200);
    let refused = get_at(&service, "/admin", TOKEN).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "insufficient_scope"));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn s13_12_a_revocation_list_names_an_opaque_token_by_its_jti_and_subject() {
    let issuer = TestIssuer::new();
    let mut said = claims(&issuer);
    said["jti"] = json!("t-1");
    let server = Server::saying(said).await;
    let revoked = Arc::new(RevocationList::new());
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api"))
        .introspection(asking(&issuer, &server))
        .revocation(Arc::clone(&revoked))
        .build()
        .expect("a layer");
    let service = service_of(&layer);
    assert_eq!(got(&service, TOKEN).await.status, 200);
    let later = issuer.clock().now().saturating_add(Duration::from_secs(600));
    revoked.revoke_token(issuer.name(), "t-1", later).expect("room");
    assert_eq!(got(&service, TOKEN).await.status, 401, "cached or not");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn s13_12_a_token_is_refused_within_the_age_of_its_answer_after_its_revocation() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server).max_age(Duration::from_secs(5)));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    server.answer_with(|_| json_answer(&json!({"active": false})));
    issuer.clock().advance(Duration::from_secs(5));
    assert_eq!(got(&service, TOKEN).await.status, 401);
}

#[tokio::test]
async fn s13_12_a_guard_can_demand_a_kind_of_credential() {
    use axum::Router;
    use axum::routing::get;
    use countersign::authz::token_kind;
    use countersign::prelude::*;
    use countersign::token::CredentialKind;

    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let ok = || async { "ok" };
    let service = Router::new()
        .route("/signed", get(ok).layer(require(token_kind(CredentialKind::Signed))))
        .route("/opaque", get(ok).layer(require(token_kind(CredentialKind::Opaque))))
        .route(
            "/either",
            get(ok).layer(require(token_kind(CredentialKind::Signed).or(token_kind(CredentialKind::Opaque)))),
        )
        .layer(crate::server::layer(&issuer, asking(&issuer, &server)));
    let signed = issuer.token().subject("bob").audience("api").sign();
    for (path, of_signed, of_opaque) in [("/signed", 200, 403), ("/opaque", 403, 200), ("/either", 200, 200)] {
        assert_eq!(get_at(&service, path, &signed).await.status, of_signed, "{path}");
        assert_eq!(get_at(&service, path, TOKEN).await.status, of_opaque, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn s13_12_a_stream_ends_once_the_endpoint_no_longer_vouches_for_its_token() {
    use axum::Router;
    use axum::routing::get;
    use countersign::lifetime::TokenEnd;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let issuer = TestIssuer::new();
    let mut said = claims(&issuer);
    said["exp"] = json!(issuer.clock().now().as_secs() + 86_400);
    let server = Server::saying(said.clone()).await;
    let handler = |end: TokenEnd| async move {
        tokio::spawn(async move {
            end.reached().await;
            ENDED.fetch_add(1, Ordering::Relaxed);
        });
        "running"
    };
    let layer = crate::server::layer(&issuer, asking(&issuer, &server).max_age(Duration::from_secs(30)));
    let service = Router::new().route("/", get(handler)).layer(layer);
    assert_eq!(got(&service, TOKEN).await.status, 200);
    let minute = async || {
        issuer.clock().advance(Duration::from_secs(61));
        tokio::time::sleep(Duration::from_secs(61)).await;
    };
    minute().await;
    assert_eq!((server.asked(), ENDED.load(Ordering::Relaxed)), (2, 0), "it was asked again");
    server.answer_with(|_| crate::server::answer(500, "text/plain", "down"));
    minute().await;
    assert_eq!(ENDED.load(Ordering::Relaxed), 0, "an endpoint that is down ends nothing");
    said["scope"] = json!("read");
    server.answer_with(move |_| json_answer(&said));
    minute().await;
    eventually("its end", || ENDED.load(Ordering::Relaxed) == 1).await;
}

#[tokio::test]
async fn s13_12_the_numbers_of_an_introspection() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let layer = crate::server::layer(&issuer, asking(&issuer, &server));
    let service = service_of(&layer);
    for _ in 0..3 {
        assert_eq!(got(&service, TOKEN).await.status, 200);
    }
    let stats = layer.introspection_stats().expect("introspection");
    assert_eq!((stats.asked, stats.from_cache, stats.failed, stats.active), (1, 2, 0, 1));
}

#[tokio::test]
async fn s13_12_the_token_of_an_opaque_caller_is_exchanged_and_forwarded_by_the_claims_that_were_vouched_for() {
    use axum::Router;
    use axum::routing::get;
    use countersign::authenticate::CallerToken;
    use countersign::outbound::{ForwardedToken, TokenRequest, TokenSource};

    let issuer = TestIssuer::new();
    let mut said = claims(&issuer);
    said["aud"] = json!(["api", "stock"]);
    let server = Server::saying(said).await;
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api"))
        .introspection(asking(&issuer, &server))
        .keep_caller_token()
        .build()
        .expect("a layer");
    let handler = |axum::Extension(caller): axum::Extension<CallerToken>| async move {
        let forwarded = async |audience: &str| {
            let mut request = TokenRequest::default();
            request.subject = Some(caller.clone());
            ForwardedToken::new(audience).token(&request).await.map(drop).map_err(|error| error.code())
        };
        format!("{:?} {:?}", forwarded("stock").await, forwarded("billing").await)
    };
    let service = Router::new().route("/", get(handler)).layer(layer);
    assert_eq!(got(&service, TOKEN).await.body, "Ok(()) Err(\"forwarding_refused\")");
}

#[tokio::test]
async fn s13_03_a_bound_opaque_token_needs_the_proof_of_its_key_at_each_request() {
    use axum::body::Body;
    use axum::http::Request;
    use countersign::proof::Dpop;
    use countersign_test::{TestKey, TestProof};
    use tower::ServiceExt;

    let issuer = TestIssuer::new();
    let [owner, thief] = [(); 2].map(|()| TestKey::new(issuer.clock()));
    let mut said = claims(&issuer);
    said["cnf"] = json!({ "jkt": owner.thumbprint() });
    said["token_type"] = json!("DPoP");
    let server = Server::saying(said).await;
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api"))
        .introspection(asking(&issuer, &server))
        .dpop(Dpop::at("https://api.test"))
        .build()
        .expect("a layer");
    let service = service_of(&layer);
    issuer.clock().advance(Duration::from_secs(15)); // proofs of the time before a start are refused
    let proof = |key: &TestKey| key.proof("GET", "https://api.test/", TOKEN);
    let send = async |proof: &TestProof| {
        let request = proof.on(Request::get("/")).body(Body::empty()).expect("a request");
        service.clone().oneshot(request).await.expect("answered").status().as_u16()
    };
    assert_eq!(got(&service, TOKEN).await.status, 401, "as a bearer token, before the answer is cached");
    let good = proof(&owner);
    assert_eq!(send(&good).await, 200);
    assert_eq!(send(&good).await, 401, "a proof counts once");
    assert_eq!(send(&proof(&owner)).await, 200);
    assert_eq!(send(&proof(&thief)).await, 401, "of another key");
    assert_eq!(got(&service, TOKEN).await.status, 401, "as a bearer token");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn s13_01_the_endpoint_is_found_in_the_metadata_of_a_provider_of_the_test_kit() {
    use countersign::introspect::Introspection;
    use countersign_test::Provider;

    let provider = Provider::start(&TestIssuer::new()).await.expect("a free port");
    let introspection = Introspection::at_issuer(provider.url()).client("api", "secret").token_prefix("opaque_");
    let layer = AuthenticateLayer::builder(provider.issuer().verifier_for("api")).introspection(introspection);
    let service = service_of(&layer.build().expect("a layer"));
    let token = provider.opaque(&provider.token().subject("ann").audience("api").role("clerk"));
    assert_eq!(got(&service, &token).await.body, "ann Opaque");
    assert_eq!(get_at(&service, "/clerks", &token).await.status, 200);
    assert_eq!(provider.introspection_requests(), 1);
    let other = provider.opaque(&provider.token().subject("ann").audience("stock"));
    assert_eq!(got(&service, &other).await.status, 401);
    provider.go_down();
    let new = provider.opaque(&provider.token().subject("bob").audience("api"));
    assert!(got(&service, &new).await.is_unavailable());
    provider.come_back().await.expect("open");
    provider.revoke_opaque(&token);
    provider.issuer().clock().advance(Duration::from_secs(61));
    assert_eq!(got(&service, &token).await.status, 401);
}
