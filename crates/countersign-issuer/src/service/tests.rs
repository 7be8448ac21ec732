//! Federation: workloads of other issuers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use countersign_core::key::{KeyCell, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign_core::policy::NeedsAudience;
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;
use countersign_test::TestIssuer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::client::Client;
use crate::policy::{Audience, ExchangeRule, Federation, Grant};

use super::*;

const NAME: &str = "https://sts.test";

async fn ask(issuer: &Issuer, assertion: &str) -> (StatusCode, serde_json::Value) {
    let body = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}");
    let request = Request::post("/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .expect("a request");
    let response = issuer.router().oneshot(request).await.expect("infallible");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_workload_authenticates_only_by_its_platforms_token_for_this_issuer() {
    let platform = TestIssuer::new().with_name("https://cluster.test");
    let federation = Federation::new(platform.trusted_for(NAME))
        .add_subject("system:serviceaccount:shop:orders", "orders")
        .add_subject("system:serviceaccount:shop:locked", "locked");
    let issuer = Issuer::builder(NAME)
        .clock(Arc::new(platform.clock().clone()))
        .add_audience(Audience::new("billing").scopes(["read"]))
        .add_client(Client::new("orders").audiences(["billing"]).scopes(["read"]))
        .add_client(Client::new("locked").audiences(["billing"]).locked())
        .add_federation(federation)
        .build()
        .expect("a sound configuration");
    let token = |subject: &str| platform.token().without_claim("client_id").subject(subject).audience(NAME);

    let (status, body) = ask(&issuer, &token("system:serviceaccount:shop:orders").sign()).await;
    assert_eq!((status, &body["scope"]), (StatusCode::OK, &"read".into()), "{body}");
    let verifier = Verifier::builder().trust(issuer.trusted_for("billing")).clock(Arc::clone(issuer.clock()));
    let verified = verifier.build().expect("sound").verify(body["access_token"].as_str().expect("a token")).await;
    assert_eq!(verified.expect("accepted").client_id(), Some("orders"));

    let other_key = TestIssuer::new().with_name("https://cluster.test");
    let own =
        issuer.mint(&countersign_core::mint::Draft::access_token().subject("x").audience("billing").client_id("y"));
    let elsewhere = |name: &str| {
        let names = serde_json::json!({ name: "src1" });
        token("system:serviceaccount:shop:orders").claim("_claim_names", names).sign()
    };
    for (what, assertion) in [
        ("another subject", token("system:serviceaccount:shop:billing").sign()),
        ("a locked client", token("system:serviceaccount:shop:locked").sign()),
        ("for another service", platform.token().subject("system:serviceaccount:shop:orders").audience("x").sign()),
        ("another key", other_key.token().subject("system:serviceaccount:shop:orders").audience(NAME).sign()),
        ("a token of this issuer", own.expect("minted").as_str().to_owned()),
        (
            "somebody who acts for the workload",
            token("system:serviceaccount:shop:orders").claim("act", serde_json::json!({ "sub": "other" })).sign(),
        ),
        ("a user of the same name", token("system:serviceaccount:shop:orders").claim("client_id", "web").sign()),
        ("a name that is elsewhere", elsewhere("sub")),
        ("an actor who is elsewhere", elsewhere("act")),
        ("a client that is elsewhere", elsewhere("client_id")),
        ("garbage", "x".to_owned()),
    ] {
        let (status, body) = ask(&issuer, &assertion).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()), "{what}");
    }
    assert_eq!(ask(&issuer, "").await.1["error"], "invalid_request");

    let good = token("system:serviceaccount:shop:orders").sign();
    for (named, expected) in [("orders", StatusCode::OK), ("locked", StatusCode::BAD_REQUEST)] {
        assert_eq!(ask(&issuer, &format!("{good}&client_id={named}")).await.0, expected, "{named}");
    }
}

#[tokio::test]
async fn s8_19_an_assertion_names_its_author_as_issuer_and_subject() {
    let partner = "https://partner.test";
    let platform = TestIssuer::new().with_name(partner);
    let issuer = Issuer::builder(NAME)
        .clock(Arc::new(platform.clock().clone()))
        .add_audience(Audience::new("billing").scopes(["read"]))
        .add_client(Client::new("orders").audiences(["billing"]).scopes(["read"]))
        .add_federation(Federation::new(platform.trusted_for(NAME)).add_subject(partner, "orders"))
        .build()
        .expect("a sound configuration");
    let assertion = || platform.token().subject(partner).audience(NAME).without_claim("client_id");
    for typ in [Some("JWT"), None, Some("client-authentication+jwt"), Some("at+jwt")] {
        let draft = match typ {
            Some(typ) => assertion().header("typ", typ),
            None => assertion().without_header("typ"),
        };
        let (status, body) = ask(&issuer, &draft.sign()).await;
        assert_eq!(status, StatusCode::OK, "{typ:?} {body}");
    }
    for (kind, value) in [("typ", "ID"), ("typ", "Refresh"), ("token_use", "id"), ("typ", "verify-email")] {
        let (status, _) = ask(&issuer, &assertion().header("typ", "JWT").claim(kind, value).sign()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{kind} {value}");
    }
}

#[test]
fn a_federation_names_known_clients_and_subjects() {
    let platform = TestIssuer::new();
    let build = |federation| {
        let client = Client::new("orders").secret(Secret::from("quaint-heron-lifts-49"));
        Issuer::builder(NAME).add_client(client).add_federation(federation).build()
    };
    let federation = || Federation::new(platform.trusted_for(NAME));
    assert!(build(federation().add_subject("a", "orders")).is_ok());
    for bad in [federation(), federation().add_subject("", "orders"), federation().add_subject("a", "nobody")] {
        assert_eq!(build(bad).expect_err("not sound").faults()[0].field, "federation");
    }
}

#[tokio::test]
async fn a_workload_gets_only_the_grants_of_its_client() {
    let platform = TestIssuer::new().with_name("https://cluster.test");
    for (grant, expected) in [
        (Grant::TokenExchange, StatusCode::BAD_REQUEST),
        (Grant::JwtBearer, StatusCode::OK),
        (Grant::ClientCredentials, StatusCode::OK),
    ] {
        let federation = Federation::new(platform.trusted_for(NAME)).add_subject("orders", "orders");
        let client = Client::new("orders").audiences(["billing"]).add_exchange_rule(ExchangeRule::new(["billing"]));
        let issuer = Issuer::builder(NAME)
            .clock(Arc::new(platform.clock().clone()))
            .add_audience(Audience::new("billing"))
            .add_client(client.grants([grant]))
            .add_federation(federation)
            .build()
            .expect("a sound configuration");
        let assertion = platform.token().without_claim("client_id").subject("orders").audience(NAME).sign();
        let (status, body) = ask(&issuer, &assertion).await;
        assert_eq!(status, expected, "{grant:?} {body}");
        assert_eq!(body["error"] == "unauthorized_client", expected != StatusCode::OK, "{grant:?} {body}");
    }
}

/// The keys of a platform that does not answer until it is released.
#[derive(Debug)]
struct Silent {
    cell: KeyCell,
    answers: Semaphore,
}

impl KeySource for Silent {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async {
            drop(self.answers.acquire().await);
            RefreshOutcome::Unavailable { retry_after: Duration::from_secs(1) }
        })
    }
}

#[tokio::test]
async fn s15_02_a_platform_that_does_not_answer_holds_up_few_requests_and_only_its_own() {
    const REQUESTS: usize = 200;
    const WAITING: usize = 64;
    let silent = Arc::new(Silent { cell: KeyCell::new(), answers: Semaphore::new(0) });
    let platform = TestIssuer::new().with_name("https://cluster.test");
    let down = NeedsAudience::new("https://down.test", Arc::<Silent>::clone(&silent)).audience(NAME);
    let issuer = Issuer::builder(NAME)
        .clock(Arc::new(platform.clock().clone()))
        .add_audience(Audience::new("billing"))
        .add_client(Client::new("orders").audiences(["billing"]))
        .add_federation(Federation::new(down).add_subject("orders", "orders"))
        .add_federation(Federation::new(platform.trusted_for(NAME)).add_subject("orders", "orders"))
        .build()
        .expect("a sound configuration");
    let token = |platform: &TestIssuer| {
        let token = platform.token().without_claim("client_id").subject("orders").audience(NAME);
        token.sign().to_string()
    };
    let unsigned = token(&platform.clone().with_name("https://down.test"));
    let mut waiting = JoinSet::new();
    for _ in 0..REQUESTS {
        let (issuer, unsigned) = (issuer.clone(), unsigned.clone());
        waiting.spawn(async move { ask(&issuer, &unsigned).await.0 });
    }
    let mut next = async || {
        let next = tokio::time::timeout(Duration::from_secs(60), waiting.join_next()).await;
        let next = next.expect("it does not wait").map(|status| status.expect("no panic"));
        (next, waiting.len())
    };
    for left in (WAITING..REQUESTS).rev() {
        assert_eq!(next().await, (Some(StatusCode::SERVICE_UNAVAILABLE), left));
    }
    assert_eq!(ask(&issuer, &token(&platform)).await.0, StatusCode::OK);
    silent.answers.add_permits(1);
    for left in (0..WAITING).rev() {
        assert_eq!(next().await, (Some(StatusCode::SERVICE_UNAVAILABLE), left));
    }
}
