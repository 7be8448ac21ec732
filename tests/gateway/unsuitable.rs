//! A token service that gives unsuitable tokens, request after request.

use axum::http::{HeaderMap, Method};
use countersign::app::RouteTable;
use countersign::outbound::{OutboundToken, TokenFuture, TokenRequest, TokenSource};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_gateway::{ClientRequest, EdgeDecision, ForeignHeaders, Gateway, ReservedHeaders, Rules, Swap};
use countersign_test::TestIssuer;
use countersign_tests::log::Log;
use serde_json::json;
use tracing::instrument::WithSubscriber as _;

/// Gives everybody this token.
#[derive(Debug)]
struct Always(String);

impl TokenSource for Always {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async { OutboundToken::from_bearer(&Secret::from(self.0.as_str()), None) })
    }
}

fn gateway(issuer: &TestIssuer, swap: Swap) -> Gateway {
    let table = RouteTable::from_json(r#"[{ "method": "GET", "path": "/orders", "access": "authenticated" }]"#);
    let layer = AuthenticateLayer::builder(issuer.verifier_for("shop")).keep_caller_token().build().expect("a layer");
    let rules = Rules::new(&table.expect("a table"), layer, ReservedHeaders::new().build().expect("names"));
    Gateway::new(rules.expect("rules").swaps([swap]).expect("of a route"))
}

/// The status for `ann`, and the code of a refusal.
async fn asks(gateway: &Gateway, issuer: &TestIssuer) -> (u16, String) {
    let token = issuer.token().subject("ann").audience("shop").sign();
    let value = format!("Bearer {token}").parse().expect("a value");
    let headers = HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)]);
    match gateway.decide(ClientRequest::new(Method::GET, "shop.test", "/orders", headers), ForeignHeaders::Remove).await
    {
        EdgeDecision::Refused(response) => {
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap_or_default();
            (response.status().as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
        }
        _ => (200, String::new()),
    }
}

#[tokio::test]
async fn s10_09_an_unsuitable_token_is_logged_ten_times_a_second_and_never_shown() {
    let (issuer, log) = (TestIssuer::with_system_clock(), Log::default());
    let wrong = issuer.token().subject("bob").audience("orders").claim("act", json!({ "sub": "gateway" })).sign();
    let swap = Swap::exchanged("/orders", "https://orders.internal", "orders", Always(wrong.clone()));
    let gateway = gateway(&issuer, swap.expect("a swap"));
    let requests = async {
        for _ in 0..200 {
            assert_eq!(asks(&gateway, &issuer).await, (502, "unsuitable_token".to_owned()));
        }
    };
    requests.with_subscriber(log.subscriber()).await;
    let lines = log.lines("no token for the next service");
    assert!((1..=100).contains(&lines.len()), "{} lines of 200", lines.len());
    assert!(lines[0].contains("ERROR") && lines[0].contains("it lives longer than 120 s"), "{}", lines[0]);
    assert!(!log.text().contains(wrong.split('.').nth(1).expect("a part")), "S10.01");
}

/// Keycloak writes no `act`: the client stands for it if the swap says so, and no other client does.
#[tokio::test]
async fn s9_05_a_client_is_an_actor_only_by_its_name_and_by_the_setting() {
    let issuer = TestIssuer::with_system_clock();
    let token = |client: &str| {
        let draft = issuer.token().subject("ann").audience("orders").lifetime(std::time::Duration::from_secs(60));
        Always(draft.client_id(client).without_claim("act").sign())
    };
    for (client, setting, expected) in
        [("gateway", Some("gateway"), 200), ("gateway", None, 502), ("web", Some("gateway"), 502), ("", Some(""), 502)]
    {
        let swap = Swap::exchanged("/orders", "https://orders.internal", "orders", token(client)).expect("a swap");
        let swap = setting.into_iter().fold(swap, Swap::client_as_actor);
        assert_eq!(asks(&gateway(&issuer, swap), &issuer).await.0, expected, "{client} {setting:?}");
    }
}
