//! Callers of opaque tokens behind the layer: guards, revocation, policies that are replaced.

use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign::clock::Clock;
use countersign::revocation::MemoryRevocations;
use countersign_test::TestIssuer;
use serde_json::json;

use crate::server::{Server, TOKEN, asking, claims, get_at, got, json_answer, service, service_of};

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
    let revoked = Arc::new(MemoryRevocations::new());
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
