//! A flood of refusals: few lines, exact counts.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::error::VerifyErrorKind;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::log::Log;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

const FLOOD: u64 = 100_000;

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s10_09_a_flood_of_one_reason_is_sampled_counted_and_hides_no_other() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let app = Router::new()
        .route("/orders", get(|| async { "in" }).layer(require(scope("read"))))
        .layer(AuthenticateLayer::new(verifier.clone()));
    let send = async |token: &str| {
        let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a request");
        app.clone().oneshot(request).await.expect("answered").status().as_u16()
    };
    let (expired, poor) = (issuer.token().audience("api").expired().sign(), issuer.token().audience("api").sign());
    let log = Log::default();
    async {
        for _ in 0..FLOOD {
            assert_eq!(send("abc").await, 401);
        }
        assert_eq!(send(&expired).await, 401);
        for _ in 0..100 {
            assert_eq!(send(&poor).await, 403);
        }
        issuer.clock().advance(std::time::Duration::from_secs(1));
        assert_eq!(send("abc").await, 401);
    }
    .with_subscriber(log.subscriber())
    .await;
    assert_eq!(verifier.refused(VerifyErrorKind::Malformed), FLOOD + 1);
    assert_eq!(verifier.refused(VerifyErrorKind::Expired), 1);
    assert_eq!(verifier.stats().refused, FLOOD + 2);
    assert_eq!(log.lines("code=\"malformed\"").len(), 11);
    assert_eq!(log.lines("code=\"expired\"").len(), 1);
    assert_eq!(log.lines("code=\"insufficient_scope\"").len(), 10);
    let unlogged = format!("unlogged={}", FLOOD - 10);
    assert!(log.lines("code=\"malformed\"").last().is_some_and(|line| line.contains(&unlogged)), "{}", log.text());
}
