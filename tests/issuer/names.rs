//! Users and clients of the same name.

use axum::http::StatusCode;
use countersign_core::authz::{Decision, client};
use countersign_core::clock::Clock;
use countersign_core::integration::RequestContext;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, ExchangeRule, IssuerBuilder, MintError};
use serde_json::json;

use crate::service::{SECRET, Service, claims, shop};
use crate::token::remote_verifier;

const CC: (&str, &str) = ("grant_type", "client_credentials");
const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The shop, and a client `loop` that exchanges tokens for itself.
fn with_loop(builder: IssuerBuilder) -> IssuerBuilder {
    let rule = ExchangeRule::new(["loop", "orders"]);
    shop(builder).add_audience(Audience::new("loop").scopes(["read"])).add_client(
        Client::new("loop")
            .secret(Secret::from(SECRET))
            .audiences(["loop", "orders"])
            .scopes(["read"])
            .add_exchange_rule(rule),
    )
}

async fn exchange(service: &Service, client: &str, subject: &str, audience: &str) -> crate::service::Answer {
    let form = [EXCHANGE, ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN), ("audience", audience)];
    service.ask(client, &form).await
}

// S15.06
#[tokio::test]
async fn s15_06_no_token_is_minted_for_a_user_with_the_name_of_a_client() {
    let service = Service::start().await;
    let draft =
        |subject: &str, client: &str| Draft::access_token().subject(subject).audience("orders").client_id(client);
    let refused = [
        draft("billing", "web-shop"),
        draft("billing", "billing"),
        draft("locked", "web-shop"),
        draft("web-shop", "web-shop"), // not registered, but the token would be the client's own all the same
        draft("ann", "web-shop").claim("sub_is_client", true),
    ];
    for draft in refused {
        assert_eq!(service.issuer.mint(&draft).expect_err("refused"), MintError::SubjectIsClient);
    }
    for fine in [draft("ann", "web-shop"), draft("ann", "billing"), draft("Billing", "web-shop")] {
        assert!(service.issuer.mint(&fine).is_ok());
    }
}

// S3.23
#[tokio::test]
async fn s3_23_a_subject_token_with_claims_elsewhere_is_not_exchanged() {
    let service = Service::start().await;
    let draft = || Draft::access_token().subject("ann").audience("orders").client_id("web-shop");
    for (name, value) in [("_claim_names", json!({ "groups": "src1" })), ("hasgroups", json!(true))] {
        let token = service.issuer.mint(&draft().claim(name, value)).expect("a user");
        assert_eq!(exchange(&service, "orders", token.as_str(), "billing").await.error(), "invalid_request", "{name}");
    }
    for malformed in [json!("1700000000"), json!(1.5), json!(-1)] {
        assert_eq!(service.issuer.mint(&draft().claim("exp", malformed)).map(drop), Err(MintError::InvalidExpiry));
    }
    let blank = service.ask("orders", &[CC, ("scope", " ")]).await;
    assert_eq!(blank.error(), "invalid_scope", "a blank scope is not all scopes");
}

// S15.06
#[tokio::test]
async fn s15_06_a_user_is_not_exchanged_under_the_name_of_a_client() {
    // `reports` becomes a client while a token of the user `reports` is still valid.
    let store = std::sync::Arc::new(countersign_issuer::MemoryStore::new());
    let name = "https://issuer.test";
    let build = |clients: &[&str]| {
        let rule = ExchangeRule::new(["billing"]);
        let mut builder = countersign_issuer::Issuer::builder(name)
            .store(store.clone())
            .add_audience(Audience::new("orders"))
            .add_audience(Audience::new("billing"));
        for id in clients {
            let client = Client::new(*id).secret(Secret::from(SECRET)).audiences(["billing"]);
            builder = builder.add_client(if *id == "orders" { client.add_exchange_rule(rule.clone()) } else { client });
        }
        builder.build().expect("sound")
    };
    let draft = Draft::access_token().subject("reports").audience("orders").client_id("web-shop");
    let token = build(&["orders"]).mint(&draft).expect("a user");
    let form = format!("grant_type={}&subject_token={}&subject_token_type={ACCESS_TOKEN}", EXCHANGE.1, token.as_str());
    let credentials = crate::direct::basic("orders", SECRET);
    let (before, ..) = crate::direct::post(&build(&["orders"]), "/token", &credentials, &form).await;
    let (after, _, body) = crate::direct::post(&build(&["orders", "reports"]), "/token", &credentials, &form).await;
    assert_eq!((before, after), (StatusCode::OK, StatusCode::BAD_REQUEST));
    assert_eq!(body["error"], "invalid_request");
}

// S15.06, S8.09
#[tokio::test]
async fn s15_06_an_exchanged_client_stays_marked_as_a_client() {
    let service = Service::with(with_loop).await;
    let own = service.ask("loop", &[CC, ("audience", "orders")]).await.token();
    assert_eq!(claims(&own).get("sub_is_client"), None);

    let first = exchange(&service, "orders", &own, "billing").await.token();
    let second = exchange(&service, "billing", &first, "ledger").await.token();
    for token in [&first, &second] {
        let claims = claims(token);
        assert_eq!((&claims["sub"], &claims["sub_is_client"]), (&json!("loop"), &json!(true)));
        assert!(claims.contains_key("act"));
    }
    let form = [("token", second.as_str())];
    let introspected = service.send(service.post("/introspect").basic_auth("billing", Some(SECRET)).form(&form)).await;
    assert_eq!(introspected.json()["sub_is_client"], true);

    let ann = Draft::access_token().subject("ann").audience("orders").client_id("web-shop");
    let ann = service.issuer.mint(&ann).expect("a user");
    let user = exchange(&service, "orders", ann.as_str(), "billing").await.token();
    assert_eq!(claims(&user).get("sub_is_client"), None);
}

// S15.06, S8.09
#[tokio::test]
async fn s15_06_a_service_that_exchanges_its_own_token_still_speaks_for_itself() {
    let service = Service::with(with_loop).await;
    let own = service.ask("loop", &[CC, ("audience", "loop")]).await.token();
    let exchanged = exchange(&service, "loop", &own, "orders").await.token();
    let verifier = remote_verifier(&service, "orders");
    let verified = verifier.verify(&exchanged).await.expect("accepted");
    assert_eq!((verified.subject(), verified.client_id()), ("loop", Some("loop")));
    let decision = verified.check(&client("loop"), RequestContext::new(service.clock.now()));
    assert!(matches!(decision, Decision::Allowed), "{decision:?}");
}
