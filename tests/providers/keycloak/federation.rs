//! Tokens of other issuers, which Keycloak takes for tokens of its own.

use std::path::PathBuf;
use std::sync::Arc;

use countersign::clock::SystemClock;
use countersign::outbound::{Assertion, OutboundContext, OutboundError, TokenRequest, TokenSource};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_test::{Provider, TestIssuer};
use countersign_tests::http::Service;
use serde_json::{Value, json};

use super::server::Keycloak;
use super::{guide, keycloak, verifier};
use crate::service;
use crate::spire;

/// The issuer and the subject in the files of the guide.
const GUIDE_PARTNER: &str = "https://sts.partner.example";
const GUIDE_SUBJECT: &str = "spiffe://partner.example/billing";

/// Adds the identity provider and the client of the guide with this name, for this issuer and this subject at it.
async fn trust(server: &Keycloak, name: &str, issuer: &str, keys: &str, subject: &str) {
    let placed = |file: &str| -> Value {
        let text = guide().file(file).replace(&format!("{GUIDE_PARTNER}/keys"), keys).replace(GUIDE_PARTNER, issuer);
        let text = text.replace("partner\"", &format!("{name}\"")).replace("shipping", name);
        serde_json::from_str(&text.replace(GUIDE_SUBJECT, subject)).expect("JSON")
    };
    server.post("shop/identity-provider/instances", &placed("partner.json")).await;
    server.post("shop/clients", &placed("shipping.json")).await;
}

fn file(name: &str, token: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, token).expect("written");
    path
}

/// The name of the caller that `orders` sees with these credentials.
async fn me(orders: &Service, credentials: ClientCredentials) -> Result<String, OutboundError> {
    let credentials = credentials.scope("orders:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    let answer = outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await?;
    assert_eq!(answer.status(), 200);
    Ok(answer.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_05_a_token_of_the_platform_authenticates_the_client_at_keycloak() {
    let server = keycloak().await;
    let orders = service::orders(verifier(&server)).await;
    let platform = Provider::start(&TestIssuer::with_system_clock()).await.expect("a provider");
    trust(&server, "parcels", platform.url(), &platform.jwks_url(), "system:parcels").await;
    let token = |subject: &str, audience: &str| platform.token().subject(subject).audience(audience).sign();

    let own = file("keycloak-parcels", &token("system:parcels", &server.issuer("shop")));
    let source =
        ClientCredentials::from_issuer(server.issuer("shop")).client_assertion("parcels", Assertion::from_file(&own));
    assert_eq!(source.attach(&OutboundContext::new(Arc::new(SystemClock))), []);
    for _ in 0..2 {
        source.token(&TokenRequest::default()).await.expect("the token in the file is sent again");
    }
    for (why, subject, audience) in [
        ("another workload", "system:invoices", server.issuer("shop")),
        ("for another service", "system:parcels", server.issuer("other")),
    ] {
        file("keycloak-parcels", &token(subject, &audience));
        let error = source.token(&TokenRequest::default()).await.expect_err(why);
        assert_eq!((error.code(), error.oauth_error()), ("token_refused", Some("invalid_client")), "{why}");
    }
    file("keycloak-parcels", &token("system:parcels", &server.issuer("shop")));
    let client = server.get("shop/clients?clientId=parcels").await[0]["id"].as_str().expect("an id").to_owned();
    let user = server.get(&format!("shop/clients/{client}/service-account-user")).await["id"].clone();
    assert_eq!(me(&orders, source).await.expect("renewed"), user.as_str().expect("an id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_05_keycloak_takes_an_assertion_as_a_grant_for_a_user_who_is_linked_to_its_subject() {
    let server = keycloak().await;
    let orders = service::orders(verifier(&server)).await;
    let partner = Provider::start(&TestIssuer::with_system_clock()).await.expect("a provider");
    trust(&server, "gateway", partner.url(), &partner.jwks_url(), "unused").await;
    let gate = json!({
        "clientId": "gate", "secret": "replace-me-gate", "publicClient": false, "standardFlowEnabled": false,
        "defaultClientScopes": ["basic", "roles"], "optionalClientScopes": ["orders:read"],
        "attributes": {
            "oauth2.jwt.authorization.grant.enabled": "true", "oauth2.jwt.authorization.grant.idp": "gateway",
        },
    });
    server.post("shop/clients", &gate).await;
    let ann = server.get("shop/users?username=ann").await[0]["id"].as_str().expect("an id").to_owned();
    let link = json!({ "userId": "ann-there", "userName": "ann" });
    server.post(&format!("shop/users/{ann}/federated-identity/gateway"), &link).await;

    let grant = async |name: &str, token: String| {
        let tokens = ClientCredentials::from_issuer(server.issuer("shop"));
        let tokens = tokens.client("gate", Secret::from("replace-me-gate"));
        me(&orders, tokens.jwt_bearer(Assertion::from_file(file(name, &token)))).await
    };
    let of = |subject: &str| partner.token().subject(subject).audience(server.issuer("shop"));
    assert_eq!(grant("keycloak-ann", of("ann-there").sign()).await.expect("a token"), ann);
    let error = grant("keycloak-bob", of("bob-there").sign()).await.expect_err("nobody is linked");
    assert_eq!((error.code(), error.oauth_error()), ("token_refused", Some("invalid_grant")), "{error}");
    let foreign = TestIssuer::with_system_clock().with_name(partner.url());
    let foreign = foreign.token().subject("ann-there").audience(server.issuer("shop")).sign();
    let error = grant("keycloak-foreign", foreign).await.expect_err("of another key");
    assert_eq!(error.code(), "token_refused", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_keycloak, has_spire)), ignore = "needs Keycloak and SPIRE: tests/peers/install all")]
async fn s7_05_a_jwt_svid_of_spire_authenticates_the_client_at_keycloak() {
    let server = keycloak().await;
    let orders = service::orders(verifier(&server)).await;
    let spire = spire::partner().await;
    let keys = format!("{}/keys", spire.discovery());
    trust(&server, "workloads", &spire.discovery(), &keys, GUIDE_SUBJECT).await;
    let call = async |workload: &str| {
        let svid = file(&format!("keycloak-{workload}.jwt"), &spire.token(&server.issuer("shop"), workload));
        let tokens = ClientCredentials::from_issuer(server.issuer("shop"));
        me(&orders, tokens.client_assertion("workloads", Assertion::from_file(&svid))).await
    };
    call("billing").await.expect("a token");
    let error = call("reports").await.expect_err("another workload");
    assert_eq!((error.code(), error.oauth_error()), ("token_refused", Some("invalid_client")), "{error}");
}
