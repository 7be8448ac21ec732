//! A service that calls another as itself: `orders` gets tokens for `billing` from the token service.

use axum::{Router, routing::get};
use countersign::outbound::OutboundErrorKind;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Failure = Box<dyn std::error::Error>;

/// The called service. A token for `billing` can read what its scopes allow.
fn billing(verifier: Verifier) -> Router {
    let invoices = async |claims: Claims| format!("invoices, requested by {}", claims.subject());
    Router::new()
        .route("/invoices", get(invoices).layer(require(scope("invoices:read"))))
        .route("/payroll", get(invoices).layer(require(scope("payroll:read"))))
        .layer(AuthenticateLayer::new(verifier)) // last: every route above requires a token
}

/// The token service, which issues tokens for `billing` to `orders`, and the client secret of `orders`.
fn issuer(url: &str) -> Result<(Issuer, Secret<String>), Failure> {
    let (secret, stored) = SecretHash::generate()?;
    let issuer = Issuer::builder(url)
        .add_audience(Audience::new("billing").scopes(["invoices:read", "payroll:read"]))
        .add_client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
        .build()?;
    Ok((issuer, secret))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (listener, issuer_url) = listen().await?;
    let (issuer, secret) = issuer(&issuer_url)?;
    let token_service = serve(listener, issuer.router());
    let (listener, billing_url) = listen().await?;
    serve(listener, billing(Verifier::new(oidc(&issuer_url).audience("billing"))?));

    // The calling service. Its tokens are sent only to the origin of billing. Keep this value for the life of the process.
    let http = reqwest::Client::new();
    let tokens = ClientCredentials::from_issuer(&issuer_url).client("orders", secret.clone());
    let outbound = Outbound::builder(http.clone()).bind(&billing_url, tokens).build()?;
    let fetches = || outbound.stats().iter().map(|(_, stats)| stats.fetches).sum::<u64>();
    let invoices = || http.get(format!("{billing_url}/invoices"));

    let bare = invoices().send().await?.status();
    println!("without a token:               {bare}");
    check(bare == 401, "billing requires a token")?;

    for number in 1..=3 {
        let response = outbound.send(invoices()).await?;
        let (status, text) = (response.status(), response.text().await?);
        println!("call {number}:                        {status}, {text}; tokens fetched so far: {}", fetches());
        check(status == 200 && text.ends_with("orders"), "billing sees orders as the subject")?;
    }
    check(fetches() == 1, "one token serves every call until it expires")?;

    let payroll = outbound.send(http.get(format!("{billing_url}/payroll"))).await?.status();
    println!("a scope it does not have:      {payroll}; tokens fetched so far: {}", fetches());
    check(payroll == 403 && fetches() == 1, "a 403 does not cause another token request")?;

    let unbound = outbound.send(http.get("https://billing.example.com/invoices")).await.err().map(|error| error.kind());
    println!("to an origin that is not bound: {unbound:?}, nothing was sent");
    check(unbound == Some(OutboundErrorKind::OriginNotBound), "a token is sent only to the origin it is bound to")?;

    // The same from a policy file: the binding names the file with the secret.
    let file = std::env::temp_dir().join(format!("service-to-service-{}", std::process::id()));
    std::fs::write(&file, secret.expose())?;
    let policy = Policy::from_json(&format!(
        r#"{{
            "issuers": [{{ "issuer": "{issuer_url}", "audience": "orders" }}],
            "outbound": [{{ "origin": "{billing_url}", "client": "orders", "secret_file": "{}" }}]
        }}"#,
        file.display()
    ))?;
    let configured = Outbound::from_config(&policy)?;
    let status = configured.send(configured.client().get(format!("{billing_url}/invoices"))).await?.status();
    std::fs::remove_file(&file)?;
    println!("bound by a policy:             {status}");
    check(status == 200, "the policy's binding gets tokens with the secret in the file")?;

    token_service.abort();
    let cached = outbound.send(invoices()).await?.status();
    println!("the token service is down:     {cached}");
    check(cached == 200, "the cached token still works")
}

async fn listen() -> Result<(TcpListener, String), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

fn serve(listener: TcpListener, app: Router) -> JoinHandle<std::io::Result<()>> {
    tokio::spawn(async move { axum::serve(listener, app).await })
}

fn check(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("check failed: {what}").into()) }
}
