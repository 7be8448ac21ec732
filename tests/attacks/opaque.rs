//! The attacks against a service that asks about opaque tokens: CONFORMANCE S13.05 and S13.07.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::introspect::Introspection;
use countersign::prelude::*;
use countersign_test::{Answer, Attack, BearerAuth, Provider, TestIssuer};
use tower::ServiceExt;

#[tokio::test]
async fn s13_05_s13_07_invented_opaque_tokens_are_refused_and_forged_tokens_are_never_asked_about() {
    let provider = Provider::start(&TestIssuer::new()).await.expect("a free port");
    let introspection = Introspection::at_issuer(provider.url()).client("orders", "secret");
    let layer = AuthenticateLayer::builder(provider.issuer().verifier_for("orders")).introspection(introspection);
    let layer = layer.build().expect("a layer");
    let app = Router::new().route("/", get(|claims: Claims| async move { claims.subject().to_owned() })).layer(layer);
    let send = async |token: &str| {
        let request = Request::get("/").bearer_auth(token).body(Body::empty()).expect("a request");
        Answer::from_response(app.clone().oneshot(request).await.expect("an answer")).await
    };
    let honest = provider.token().subject("ann").audience("orders");
    let opaque = provider.opaque(&honest);
    assert_eq!(send(&opaque).await.assert_success().text(), "ann");
    assert_eq!(send(&honest.sign()).await.assert_success().text(), "ann");
    let asked = provider.introspection_requests();

    let opaque_attacks = [Attack::OpaqueRandom, Attack::OpaqueUuid, Attack::OpaqueSubject];
    for attack in opaque_attacks {
        send(&honest.clone().hostile(attack).sign()).await.assert_refused(401, "token_invalid");
    }
    assert_eq!(provider.introspection_requests(), asked + 3, "of the form of an opaque token");
    let mut sent = Vec::new();
    for attack in Attack::ALL.iter().filter(|attack| !opaque_attacks.contains(attack)) {
        let before = provider.introspection_requests();
        let status = send(&honest.clone().hostile(*attack).sign()).await.status();
        assert_eq!(status, attack.expected_status(), "{}", attack.name());
        if provider.introspection_requests() > before {
            sent.push(attack.name());
        }
    }
    assert!(sent.is_empty(), "sent to the endpoint: {sent:?}");
    assert_eq!(send(&opaque).await.assert_success().text(), "ann");
}
