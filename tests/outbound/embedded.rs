//! Each grant and each way of client authentication against the embedded issuer, which checks what it is sent.

use std::sync::Arc;

use countersign::authenticate::CallerToken;
use countersign::key::Algorithm;
use countersign::mint::{Draft, Signer};
use countersign::outbound::{Assertion, ClientCredentials, Outbound, OutboundError};
use countersign::prelude::Verifier;
use countersign::secret::Secret;
use countersign_issuer::{Audience, Client, ExchangeRule, Federation, Issuer, IssuerBuilder};
use countersign_test::TestIssuer;
use serde_json::{Value, json};

use crate::calls::kept_by;
use crate::servers::{Server, json as answer};

const SECRET: &str = "quaint-heron-lifts-49";

async fn serve(settings: impl FnOnce(IssuerBuilder, &str) -> IssuerBuilder) -> Issuer {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("an address"));
    let builder = Issuer::builder(&name)
        .add_audience(Audience::new("orders").scopes(["read", "write"]))
        .add_audience(Audience::new("billing").scopes(["read", "write"]));
    let issuer = settings(builder, &name).build().expect("a sound configuration");
    let app = issuer.router();
    tokio::spawn(async move { axum::serve(listener, app).await });
    issuer
}

fn orders() -> Client {
    Client::new("orders").audiences(["billing", "orders"]).default_audience("billing").scopes(["read", "write"])
}

/// What `billing` finds in the token of a call made with `source`, verified.
async fn claims_at_billing(
    issuer: &Issuer,
    source: ClientCredentials,
    caller: Option<&CallerToken>,
) -> Result<Value, OutboundError> {
    let target = Server::start(|_, _| answer(200, "{}".into())).await;
    let http = reqwest::Client::new();
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
    let outbound = caller.map_or_else(|| outbound.clone(), |caller| outbound.on_behalf_of(caller));
    outbound.send(http.get(&target.url)).await?;
    let sent = target.seen()[0].header("authorization").expect("a token").trim_start_matches("Bearer ").to_owned();
    let verifier = Verifier::new(issuer.trusted_for("billing")).expect("a verifier");
    let verified = verifier.verify(&sent).await.expect("a good token");
    let claims = verified.claims::<Value>().expect("JSON");
    Ok(Value::clone(&claims))
}

#[tokio::test]
async fn s7_03_s7_04_each_way_of_client_authentication_is_accepted() {
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let jwks = json!({ "keys": [signer.public_jwk()] }).to_string();
    let odd = "p@ss %+ü p@ss %+ü"; // what form-encoding must survive (S7.02)
    let issuer = serve(|builder, _| {
        builder
            .add_client(orders().secret(Secret::from(SECRET)))
            .add_client(Client::new("a:b").secret(Secret::from(odd)).audiences(["billing"]))
            .add_client(Client::new("signing").public_keys(jwks).audiences(["billing"]))
    })
    .await;
    let source = || ClientCredentials::from_issuer(issuer.name());
    let token_endpoint = format!("{}/token", issuer.name());
    for (client, source) in [
        ("orders", source().client("orders", Secret::from(SECRET))),
        ("orders", source().client("orders", Secret::from(SECRET)).client_secret_post()),
        ("a:b", source().client("a:b", Secret::from(odd))),
        ("signing", source().client_key("signing", Arc::clone(&signer))),
        (
            "signing",
            ClientCredentials::from_token_endpoint(&token_endpoint)
                .assertion_audience(issuer.name())
                .client_assertion("signing", Assertion::new("signing", "signing", Arc::clone(&signer))),
        ),
    ] {
        let claims = claims_at_billing(&issuer, source, None).await.expect(client);
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(client), &json!(client)));
    }
    let other_key = Signer::generate(Algorithm::ES256).expect("a key");
    for wrong in [source().client("orders", Secret::from("another")), source().client_key("signing", other_key)] {
        let error = claims_at_billing(&issuer, wrong, None).await.expect_err("refused");
        assert_eq!(error.oauth_error(), Some("invalid_client"));
    }
}

#[tokio::test]
async fn a_workloads_own_token_is_the_grant_and_no_secret_is_needed() {
    let platform = TestIssuer::with_system_clock().with_name("https://cluster.test");
    let issuer = serve(|builder, name| {
        let federation = Federation::new(platform.trusted_for(name)).add_subject("shop:orders", "orders");
        builder.add_client(orders()).add_federation(federation)
    })
    .await;
    let path = std::env::temp_dir().join(format!("countersign-workload-{}", std::process::id()));
    let projected = platform.token().without_claim("client_id").subject("shop:orders").audience(issuer.name()).sign();
    std::fs::write(&path, projected).expect("written");
    let source = || ClientCredentials::from_issuer(issuer.name()).jwt_bearer(Assertion::from_file(&path)).scope("read");
    let claims = claims_at_billing(&issuer, source(), None).await.expect("let in");
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!("orders"), &json!("read")));

    // Who acts for the workload, or through which client a user got the token, is unknown.
    for name in ["act", "client_id", "sub"] {
        let token = platform.token().without_claim("client_id").subject("shop:orders").audience(issuer.name());
        std::fs::write(&path, token.claim("_claim_names", json!({ name: "src1" })).sign()).expect("written");
        let error = claims_at_billing(&issuer, source(), None).await.expect_err(name);
        assert_eq!(error.oauth_error(), Some("invalid_grant"), "{name}");
    }

    std::fs::write(&path, platform.token().subject("shop:orders").audience("another").sign()).expect("written");
    let error = claims_at_billing(&issuer, source(), None).await.expect_err("for another service");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(error.oauth_error(), Some("invalid_grant"));
}

#[tokio::test]
async fn s7_22_a_caller_is_exchanged_with_the_service_as_actor_and_with_no_more_scope() {
    let rule = ExchangeRule::new(["billing"]);
    let issuer =
        serve(|builder, _| builder.add_client(orders().secret(Secret::from(SECRET)).add_exchange_rule(rule))).await;
    let ann = async |scope: &str| {
        let draft = Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope(scope);
        let token = issuer.mint(&draft).expect("minted");
        kept_by(Verifier::new(issuer.trusted_for("orders")).expect("a verifier"), token.as_str()).await
    };
    let client = || ClientCredentials::from_issuer(issuer.name()).client("orders", Secret::from(SECRET));
    let exchange_for = |scope: &str| client().audience("billing").scope(scope);
    for source in [exchange_for("read"), exchange_for("read").actor(client().audience("orders"))] {
        let claims = claims_at_billing(&issuer, source, Some(&ann("read write").await)).await.expect("exchanged");
        let said = [&claims["sub"], &claims["act"]["sub"], &claims["scope"]].map(|claim| claim.as_str());
        assert_eq!(said, [Some("ann"), Some("orders"), Some("read")]);
    }
    let refused = claims_at_billing(&issuer, exchange_for("write"), Some(&ann("read").await)).await;
    assert_eq!(refused.expect_err("more than she has").oauth_error(), Some("invalid_scope"));
}
