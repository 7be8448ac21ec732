//! A service that calls another on behalf of its caller: `orders` exchanges ann's token for one that `billing` accepts.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::get};
use countersign::authenticate::CallerToken;
use countersign::error::ConfigError;
use countersign::prelude::*;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, SecretHash};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error>;

/// The state of `orders` for calls to `billing`.
#[derive(Clone)]
struct Billing {
    http: reqwest::Client,
    outbound: Outbound,
    url: String,
}

/// The service in the middle. It keeps the caller's token for the exchange and never forwards it.
fn orders(verifier: Verifier, billing: Billing) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/orders", get(list).layer(require(scope("orders:read"))))
        .with_state(billing)
        .layer(AuthenticateLayer::builder(verifier).keep_caller_token().build()?))
}

async fn list(State(billing): State<Billing>, caller: CallerToken, headers: HeaderMap) -> Result<String, StatusCode> {
    let request = billing.http.get(format!("{}/invoices", billing.url));
    let outbound = billing.outbound.on_behalf_of(&caller).in_trace_of(&headers);
    let response = outbound.send(request).await.map_err(|error| {
        println!("  orders: {error}");
        if error.is_transient() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN }
    })?;
    response.text().await.map_err(|_| StatusCode::BAD_GATEWAY)
}

/// The called service, which sees both the subject and the actor of the call.
fn billing(verifier: Verifier) -> Router {
    let invoices = async |claims: Claims, headers: HeaderMap| {
        let request = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("none");
        format!("invoices of {}, through {}, request {request}", claims.subject(), claims.actor().unwrap_or("nobody"))
    };
    Router::new()
        .route("/invoices", get(invoices).layer(require(scope("invoices:read"))))
        .layer(AuthenticateLayer::new(verifier))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // The token service. `orders` may act for its callers when it calls `billing`, within what they may do themselves.
    let (listener, issuer_url) = listen().await?;
    let (secret, stored) = SecretHash::generate()?;
    let issuer = Issuer::builder(&issuer_url)
        .add_audience(Audience::new("orders").scopes(["orders:read", "invoices:read"]))
        .add_audience(Audience::new("billing").scopes(["invoices:read"]))
        .add_client(
            Client::new("orders")
                .secret(stored)
                .audiences(["billing"])
                .scopes(["invoices:read"])
                .add_exchange_rule(ExchangeRule::new(["billing"])),
        )
        .build()?;
    serve(listener, issuer.router());

    let (listener, billing_url) = listen().await?;
    serve(listener, billing(Verifier::new(oidc(&issuer_url).audience("billing"))?));

    let http = reqwest::Client::new();
    let exchange =
        ClientCredentials::from_issuer(&issuer_url).client("orders", secret).audience("billing").scope("invoices:read");
    let outbound = Outbound::builder(http.clone()).bind(&billing_url, exchange).build()?;
    let (listener, orders_url) = listen().await?;
    let called = Billing { http: http.clone(), outbound: outbound.clone(), url: billing_url.clone() };
    serve(listener, orders(Verifier::new(oidc(&issuer_url).audience("orders"))?, called)?);

    // Tokens that the web shop has minted for people who logged in there.
    let token = |subject: &str, scope: &str| {
        let draft = Draft::access_token().subject(subject).audience("orders").client_id("web-shop").scope(scope);
        issuer.mint(&draft).map(|token| token.as_str().to_owned())
    };
    let get = async |url: String, token: &str| {
        let response = http.get(url).header("x-request-id", "r-17").bearer_auth(token).send().await?;
        Ok::<_, reqwest::Error>((response.status(), response.text().await?))
    };

    let ann = token("ann", "orders:read invoices:read")?;
    let (status, text) = get(format!("{orders_url}/orders"), &ann).await?;
    println!("ann calls orders, which calls billing for her: {status}, {text}");
    check(status == 200 && text == "invoices of ann, through orders, request r-17", "billing sees both")?;

    let (status, _) = get(format!("{billing_url}/invoices"), &ann).await?;
    println!("ann's own token at billing:                    {status}");
    check(status == 401, "her token is valid only at orders, and was never forwarded")?;

    let bob = token("bob", "orders:read")?;
    let (status, _) = get(format!("{orders_url}/orders"), &bob).await?;
    println!("bob, who may not read invoices:                {status}");
    check(status == 403, "an exchange cannot widen what a caller may do")?;

    get(format!("{orders_url}/orders"), &ann).await?;
    let (_, stats) = outbound.stats().remove(0);
    println!("ann again: {} exchanges in all, {} of them failed", stats.fetches, stats.failures);
    check((stats.fetches, stats.failures) == (2, 1), "her exchanged token is cached, and used only for her")
}

async fn listen() -> Result<(TcpListener, String), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

fn serve(listener: TcpListener, app: Router) {
    tokio::spawn(async move { axum::serve(listener, app).await });
}

fn check(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("check failed: {what}").into()) }
}
