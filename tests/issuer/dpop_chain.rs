//! A caller, a service and the service that it calls, each with a key of its own: the whole path of bound tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use countersign::authenticate::CallerToken;
use countersign::authz::proof_of_possession;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{ClientCredentials, DpopKey, Outbound};
use countersign::prelude::*;
use countersign::proof::{Dpop, Nonces};
use countersign_core::secret::Secret;
use countersign_issuer::{Client, ExchangeRule};
use countersign_tests::http;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::service::{SECRET, Service, shop};

/// A service of this audience that takes bound tokens only.
async fn serve(issuer: &Service, audience: &str, router: Router) -> http::Service {
    let trusted = issuer.issuer.trusted_for(audience);
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock.clone())).build().expect("sound");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dpop = Dpop::at(format!("http://{}", listener.local_addr().expect("bound")));
    let layer = AuthenticateLayer::builder(verifier).dpop(dpop).keep_caller_token().build().expect("a layer");
    http::Service::on(listener, router.route_layer(require(proof_of_possession())).layer(layer))
}

/// Calls `target` as this client, with tokens that are bound to `key`.
fn outbound(issuer: &Service, target: &http::Service, client: &str, audience: &str, key: Signer) -> Outbound {
    let source = ClientCredentials::from_issuer(issuer.issuer.name()).client(client, Secret::from(SECRET));
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let builder = Outbound::builder(http).client_follows_no_redirects();
    builder.bind(target.url(), source.audience(audience).dpop(DpopKey::from_signer(key))).build().expect("bound")
}

/// The gateway calls `billing` for its caller, and passes on what it is told, or the OAuth error of its call.
async fn pass_on(State((billing, url)): State<(Outbound, String)>, caller: CallerToken) -> Result<Json<Value>, String> {
    let outbound = billing.on_behalf_of(&caller);
    let answer = outbound.send(outbound.client().get(url)).await;
    let answer = answer.map_err(|error| error.oauth_error().unwrap_or(error.code()).to_owned())?;
    answer.json().await.map(Json).map_err(|error| error.to_string())
}

#[tokio::test]
async fn s6_20_s7_22_a_service_calls_on_for_a_caller_with_a_token_of_its_own_key() {
    let nonces = Nonces::generate().expect("random bytes");
    let issuer = Service::with(|builder| {
        let client = |id: &str, audience: &str| Client::new(id).secret(Secret::from(SECRET)).audiences([audience]);
        let rule = || ExchangeRule::new(["billing"]).subject_audiences(["orders"]);
        shop(builder)
            .dpop_nonces(nonces)
            .dpop_bound_access_tokens()
            .add_client(client("web", "orders"))
            .add_client(client("gateway", "billing").add_exchange_rule(rule().bound_subject_tokens()))
            .add_client(client("strict", "billing").add_exchange_rule(rule()))
    })
    .await;
    let key = || Signer::generate(Algorithm::ES256).expect("a key");
    let thumbprint = |key: &Signer| key.verifying_key().expect("a public key").thumbprint().to_owned();

    let claims = async |caller: Claims| {
        let claims = caller.verified().claims::<Value>().expect("JSON");
        Json(Value::clone(&claims))
    };
    let billing = serve(&issuer, "billing", Router::new().route("/", get(claims))).await;
    let billing_url = format!("{}/", billing.url());
    for client in ["gateway", "strict"] {
        let (own, of_caller) = (key(), key());
        let expected = json!({ "jkt": thumbprint(&own) });
        let state = (outbound(&issuer, &billing, client, "billing", own), billing_url.clone());
        let gateway = serve(&issuer, "orders", Router::new().route("/", get(pass_on)).with_state(state)).await;
        let web = outbound(&issuer, &gateway, "web", "orders", of_caller);
        let answer = web.send(web.client().get(format!("{}/", gateway.url()))).await.expect("an answer");
        let text = answer.text().await.expect("a body");
        if client == "strict" {
            assert_eq!(text, "invalid_request", "its rule permits no tokens of keys that it does not have");
            continue;
        }
        let seen: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((&seen["sub"], &seen["act"]["sub"]), (&json!("web"), &json!("gateway")));
        assert_eq!(seen["cnf"], expected, "the key of the gateway, not of its caller");
    }
}
