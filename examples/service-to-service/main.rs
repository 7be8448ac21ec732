//! One service calls another as itself: `orders` asks the token service for tokens that `billing` accepts.

use axum::{Router, routing::get};
use countersign::outbound::OutboundErrorKind;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Failure = Box<dyn std::error::Error>;

/// The callee: whoever holds a token for `billing` may read the invoices that its scopes allow.
fn billing(verifier: Verifier) -> Router {
    let invoices = async |claims: Claims| format!("invoices, asked for by {}", claims.subject());
    Router::new()
        .route("/invoices", get(invoices).layer(require(scope("invoices:read"))))
        .route("/payroll", get(invoices).layer(require(scope("payroll:read"))))
        .layer(AuthenticateLayer::new(verifier)) // last: every route above needs a token
}

/// The token service, which lets `orders` have tokens for `billing`, and the secret of `orders` for that.
fn issuer(url: &str) -> Result<(Issuer, Secret<String>), Failure> {
    let (secret, stored) = SecretHash::generate()?;
    let issuer = Issuer::builder(url)
        .audience(Audience::new("billing").scopes(["invoices:read", "payroll:read"]))
        .client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
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

    // The caller: tokens of this client, and sent to billing's origin alone. Kept for the life of the process.
    let http = reqwest::Client::new();
    let tokens = ClientCredentials::from_issuer(&issuer_url).client("orders", secret);
    let outbound = Outbound::builder(http.clone()).bind(&billing_url, tokens).build()?;
    let fetches = || outbound.stats().iter().map(|(_, stats)| stats.fetches).sum::<u64>();
    let invoices = || http.get(format!("{billing_url}/invoices"));

    let bare = invoices().send().await?.status();
    println!("without a token:               {bare}");
    check(bare == 401, "billing needs a token")?;

    for number in 1..=3 {
        let answer = outbound.send(invoices()).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        println!("call {number}:                        {status}, {text}; tokens fetched so far: {}", fetches());
        check(status == 200 && text.ends_with("orders"), "billing knows that orders asks")?;
    }
    check(fetches() == 1, "one token serves every call while it is good")?;

    let payroll = outbound.send(http.get(format!("{billing_url}/payroll"))).await?.status();
    println!("what the token does not allow: {payroll}; tokens fetched so far: {}", fetches());
    check(payroll == 403 && fetches() == 1, "a 403 is no reason for another token")?;

    let stranger =
        outbound.send(http.get("https://billing.example.com/invoices")).await.err().map(|error| error.kind());
    println!("to an origin without a token:  {stranger:?}, nothing was sent");
    check(stranger == Some(OutboundErrorKind::OriginNotBound), "a token goes only where it was bound to")?;

    token_service.abort();
    let held = outbound.send(invoices()).await?.status();
    println!("the token service is down:     {held}");
    check(held == 200, "a token that is held goes on serving")
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
    if holds { Ok(()) } else { Err(format!("did not hold: {what}").into()) }
}
