//! Tokens that Keycloak binds to a key, and proofs that it checks.

use std::sync::Arc;

use countersign::authenticate::CallerToken;
use countersign::clock::{Clock, SystemClock};
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{
    DpopKey, OutboundError, OutboundToken, StaticToken, TokenFuture, TokenRequest, TokenSource,
};
use countersign::prelude::*;
use countersign::secret::Secret;
use serde_json::json;

use super::{keycloak, verifier};

/// One token, as if it were bound to this key.
#[derive(Debug)]
struct Stolen(Secret<String>, Arc<Signer>);

impl TokenSource for Stolen {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move { OutboundToken::from_dpop(&self.0, None, Arc::clone(&self.1)) })
    }
}

/// The status of Keycloak's `userinfo`, which checks proofs as a resource server does.
async fn userinfo(issuer: &str, source: impl TokenSource) -> Result<u16, OutboundError> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let origin = issuer.split("/realms").next().expect("an origin");
    let builder = Outbound::builder(http).client_follows_no_redirects();
    let outbound = builder.bind(origin, source).build().expect("bound");
    let request = outbound.client().get(format!("{issuer}/protocol/openid-connect/userinfo?x=y"));
    Ok(outbound.send(request).await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_21_keycloak_checks_our_proofs_and_whoever_steals_a_token_has_nothing() {
    let server = keycloak().await;
    let client = json!({
        "clientId": "invoicing", "secret": "replace-me-invoicing", "publicClient": false, "serviceAccountsEnabled": true,
        "standardFlowEnabled": false, "defaultClientScopes": ["basic", "profile"], "optionalClientScopes": ["orders:read"],
        "attributes": { "dpop.bound.access.tokens": "true" },
    });
    server.post("shop/clients", &client).await;
    let issuer = server.issuer("shop");
    let source = |client: &str| {
        let secret = Secret::from(format!("replace-me-{client}"));
        ClientCredentials::from_issuer(&issuer).client(client, secret).scope("openid")
    };
    for algorithm in ["ES256", "ES512", "EdDSA", "PS256"] {
        let signer = Signer::generate(algorithm.parse().expect("an algorithm")).expect("a key");
        let outcome = userinfo(&issuer, source("invoicing").dpop(DpopKey::from_signer(signer))).await;
        assert_eq!(outcome.expect(algorithm), 200, "{algorithm}");
    }
    let error = userinfo(&issuer, source("invoicing")).await.expect_err("a proof is demanded");
    assert!(error.code() == "token_refused" && error.to_string().contains("set dpop"), "{error}");
    let wrong = Signer::generate(Algorithm::MlDsa44).expect("a key");
    let error =
        userinfo(&issuer, source("invoicing").dpop(DpopKey::from_signer(wrong))).await.expect_err("unknown there");
    assert!(error.to_string().contains("the algorithm of the key"), "{error}");

    // Whoever steals the token has nothing.
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let owner = source("invoicing").dpop(DpopKey::from_signer(Arc::clone(&signer)));
    let token = owner.token(&TokenRequest::default()).await.expect("a token");
    let token = || Secret::from(token.expose());
    let thief = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    assert_eq!(userinfo(&issuer, StaticToken::new(token())).await.expect("an answer"), 401);
    assert_eq!(userinfo(&issuer, Stolen(token(), thief)).await.expect("an answer"), 401);
    assert_eq!(userinfo(&issuer, Stolen(token(), signer)).await.expect("an answer"), 200, "its owner");

    let unasked = source("billing").dpop(DpopKey::generate().expect("a key"));
    assert_eq!(userinfo(&issuer, unasked).await.expect("bound too"), 200, "without the attribute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_21_s7_23_keycloak_binds_an_exchanged_token_to_the_key_of_the_service() {
    let server = keycloak().await;
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let source = ClientCredentials::from_issuer(server.issuer("shop"))
        .client("orders", Secret::from("replace-me-orders"))
        .audience("billing")
        .scope("invoices:read")
        .dpop(DpopKey::from_signer(Arc::clone(&signer)));
    let token = server.ann("openid orders:read").await;
    let ann = verifier(&server).verify(&token).await.expect("a good token");
    let mut request = TokenRequest::default();
    request.subject = Some(CallerToken::unverified(&Secret::from(token), ann.expires_at()));
    assert!(ann.expires_at() > SystemClock.now());
    let exchanged = source.token(&request).await.expect("an exchange");
    let claims = exchanged.expose().split('.').nth(1).expect("claims").to_owned();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!((&claims["sub"], &claims["cnf"]["jkt"]), (&json!(ann.subject()), &json!(signer.key_id())));
}
