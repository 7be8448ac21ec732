//! Two layers, faults of the set-up, and the kinds of credentials.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::any_authenticated;
use countersign::prelude::*;
use countersign::proof::Dpop;
use countersign_apikey::{ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
use countersign_core::secret::Secret;
use countersign_test::{TestIssuer, TestKey};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::sink::{Kept, good, layer};

async fn send(app: &Router, path: &str, headers: &[(&str, &str)]) -> u16 {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    answer.status().as_u16()
}

fn parts<'l>(line: &'l Value, names: &[&str]) -> Vec<&'l Value> {
    names.iter().map(|name| line.get(name).unwrap_or(&Value::Null)).collect()
}

#[tokio::test]
async fn of_two_layers_the_outer_one_writes_the_decision_of_both() {
    let issuer = TestIssuer::new();
    let (outer, inner) = (Kept::default(), Kept::default());
    let stranger = TestIssuer::new().with_name("https://other.test");
    let app = |second: AuthenticateLayer| {
        Router::new().route("/", get(|| async { "in" })).layer(second).layer(layer(&issuer, outer.log().allowed()))
    };
    let bearer = format!("Bearer {}", good(&issuer).sign());
    let headers = [("authorization", &*bearer)];
    for (second, outcome) in [
        (layer(&issuer, inner.log().allowed()), "allowed"),
        (layer(&stranger, inner.log().allowed()), "refused"),
        (AuthenticateLayer::new(issuer.verifier_for("api")), "allowed"),
        (AuthenticateLayer::new(stranger.verifier_for("api")), "refused"),
    ] {
        send(&app(second), "/", &headers).await;
        let line = outer.line();
        assert_eq!(parts(&line, &["outcome", "client"]), [outcome, "web"], "{line}");
        assert!(inner.take().is_empty());
    }
}

/// A public path of an inner layer does not hide whom the outer one authenticated.
#[tokio::test]
async fn an_inner_layer_that_reads_no_token_takes_no_caller_back() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let open = crate::sink::builder(&issuer, kept.log()).public(["/"]).build().expect("a layer");
    let app = Router::new().route("/", get(|| async { "in" })).layer(open).layer(layer(&issuer, kept.log().allowed()));
    let bearer = format!("Bearer {}", good(&issuer).sign());
    assert_eq!(send(&app, "/", &[("authorization", &bearer)]).await, 200);
    assert_eq!(parts(&kept.line(), &["outcome", "client"]), ["allowed", "web"]);
}

/// A middleware that hides denials changes the status, and not what was decided.
#[tokio::test]
async fn a_middleware_that_rewrites_a_denial_leaves_the_decision() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let in_handler = |claims: Claims| async move { claims.require(&role("admin")).map(|()| "in") };
    for status in [404, 200] {
        let rewrite = axum::middleware::map_response(move |response: axum::response::Response| async move {
            let mut response = response;
            *response.status_mut() = status.try_into().expect("a status");
            response
        });
        let app = Router::new()
            .route("/guard", get(|| async { "in" }).layer(require(role("admin"))))
            .route("/handler", get(in_handler))
            .layer(rewrite)
            .layer(layer(&issuer, kept.log().allowed()));
        let bearer = format!("Bearer {}", good(&issuer).sign());
        // A guard's denial is final; after a handler's, a success is the handler's own decision.
        for (path, outcome) in [("/guard", "denied"), ("/handler", if status == 200 { "allowed" } else { "denied" })] {
            assert_eq!(send(&app, path, &[("authorization", &bearer)]).await, status);
            assert_eq!(parts(&kept.line(), &["outcome", "status"]), [&json!(outcome), &json!(status)], "{path}");
        }
    }
}

/// A handler that goes on after its response began, as one of a WebSocket does, may still deny.
#[tokio::test]
async fn a_denial_after_the_response_began_is_an_event_of_its_own() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel::<()>();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let later = std::sync::Mutex::new(Some((may_go_on, done)));
    let later = std::sync::Arc::new(later);
    let handler = move |claims: Claims| {
        let (may_go_on, done) = later.lock().expect("unpoisoned").take().expect("one request");
        async move {
            tokio::spawn(async move {
                may_go_on.await.expect("sent");
                assert!(claims.require(&role("admin")).is_err() && claims.require(&any_authenticated()).is_ok());
                done.send(()).expect("awaited");
            });
            "begun"
        }
    };
    let app = Router::new().route("/feed", get(handler)).layer(layer(&issuer, kept.log().allowed()));
    let bearer = format!("Bearer {}", good(&issuer).sign());
    assert_eq!(send(&app, "/feed", &[("authorization", &bearer)]).await, 200);
    assert_eq!(parts(&kept.line(), &["outcome", "status"]), [&json!("allowed"), &json!(200)]);
    go_on.send(()).expect("awaited");
    is_done.await.expect("denied");
    let line = kept.line();
    let found = parts(&line, &["outcome", "status", "route", "unmet", "client"]);
    assert_eq!(found, [&json!("denied"), &Value::Null, &json!("/feed"), &json!("role admin"), &json!("web")]);
}

/// A mistake in the set-up is an event too, if a layer is there to write it.
#[tokio::test]
async fn a_fault_of_the_set_up_is_an_error() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let guarded = get(|| async { "in" }).layer(require(tenant_in_path("tenant")));
    let needs_path = |claims: Claims| async move {
        claims.require(&tenant_in_path("tenant"))?;
        Ok::<_, countersign::extract::Rejection>("in")
    };
    let nested = Router::new().nest("/{tenant}", Router::new().route("/{tenant}", guarded));
    let app = nested.route("/handler", get(needs_path)).layer(layer(&issuer, kept.log()));
    let bearer = format!("Bearer {}", good(&issuer).tenant("a").sign());
    for (path, route) in [("/a/b", "/{tenant}/{tenant}"), ("/handler", "/handler")] {
        assert_eq!(send(&app, path, &[("authorization", &bearer)]).await, 500, "{path}");
        let line = kept.line();
        let found = parts(&line, &["outcome", "code", "status", "route", "client"]);
        assert_eq!(found, [&json!("error"), &json!("internal_error"), &json!(500), &json!(route), &json!("web")]);
    }
}

/// The keys cannot be had now: nobody is refused for that.
#[tokio::test]
async fn what_cannot_be_decided_now_is_unavailable() {
    let provider = countersign_test::Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    provider.answer_jwks_with(500, "", &[]);
    let kept = Kept::default();
    let verifier = Verifier::new(jwks(provider.url(), provider.jwks_url()).audience("api")).expect("a policy");
    let layer = AuthenticateLayer::builder(verifier).audit(kept.log()).build().expect("a layer");
    let app = Router::new().route("/", get(|| async { "in" })).layer(layer);
    let bearer = format!("Bearer {}", provider.token().audience("api").sign());
    assert_eq!(send(&app, "/", &[("authorization", &bearer)]).await, 503);
    let line = kept.line();
    assert_eq!(
        parts(&line, &["outcome", "code", "client"]),
        [&json!("unavailable"), &json!("keys_unavailable"), &Value::Null]
    );
}

#[tokio::test]
async fn the_kind_of_credential_and_its_binding_are_told() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let pepper = Pepper::new(&Secret::new(vec![7; 32])).expect("a pepper");
    let keys = ApiKeys::builder("https://shop.test/keys", MemoryKeyStore::new(), pepper).prefix("shop").build();
    let keys = keys.expect("keys");
    let verifier = Verifier::builder()
        .trust(issuer.trusted_for("api"))
        .trust(
            keys.issuer("api")
                .map_authorities(|keys| keys.names_of("https://issuer.test").tenants_of("https://issuer.test")),
        )
        .clock(issuer.clock().clone());
    let layer = AuthenticateLayer::builder(verifier.build().expect("a verifier"))
        .audit(kept.log().allowed())
        .api_keys(keys.clone())
        .dpop(Dpop::at("https://api.test"));
    let app = Router::new().route("/", get(|| async { "in" })).layer(layer.build().expect("a layer"));
    let created = keys.create(NewApiKey::new("reports", "api")).await.expect("created");
    let bearer = format!("Bearer {}", good(&issuer).sign());
    let key = TestKey::new(issuer.clock());
    let bound = good(&issuer).bound_to(&key).sign();
    let proof = key.proof("GET", "https://api.test/", &bound).sign();
    let dpop = format!("DPoP {bound}");
    let api_key = format!("Bearer {}", created.text().expose());
    for (headers, credential, binding) in [
        (vec![("authorization", &*bearer)], "signed", "none"),
        (vec![("authorization", &*dpop), ("dpop", &*proof)], "signed", "key"),
        (vec![("authorization", &*api_key)], "api_key", "none"),
    ] {
        let status = send(&app, "/", &headers).await;
        let line = kept.line();
        assert_eq!(status, 200, "{line}");
        assert_eq!(parts(&line, &["credential", "binding"]), [credential, binding]);
    }
}
