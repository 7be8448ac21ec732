//! Step-up authentication: the service asks for a stronger or more recent login, and the client logs in and retries.

use std::time::Duration;

use axum::extract::Path;
use axum::{Router, routing::get, routing::post};
use countersign::authz::{acr, amr};
use countersign::extract::Rejection;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use reqwest::Response;

type Failure = Box<dyn std::error::Error>;

/// A login by hardware key, at most five minutes ago (RFC 9470).
fn strong_and_fresh() -> Requirement {
    acr(["gold"]).and(authenticated_within(Duration::from_secs(300)))
}

/// Payments up to 100 accept any login. Only the handler knows the amount, so the rule is checked here.
async fn pay(claims: Claims, Path(amount): Path<u32>) -> Result<String, Rejection> {
    if amount > 100 {
        claims.require(&strong_and_fresh())?;
    }
    Ok(format!("{} paid {amount}", claims.subject()))
}

fn app(verifier: Verifier, limits: &Requirement) -> Router {
    Router::new()
        .route("/balance", get(async || "500"))
        .route("/pay/{amount}", post(pay))
        .route("/limits", post(async || "limits changed").layer(require(limits.clone())))
        .layer(AuthenticateLayer::new(verifier)) // last: every route above requires a token
}

/// The client, which can log in at the issuer for another token.
struct Client {
    issuer: TestIssuer,
    url: String,
    token: String,
}

impl Client {
    /// A client that logged in with a password an hour ago.
    fn logged_in(issuer: TestIssuer, url: String) -> Self {
        let token = Self::token(&issuer, "bronze", Duration::from_secs(3600));
        Client { issuer, url, token }
    }

    fn token(issuer: &TestIssuer, acr: &str, ago: Duration) -> String {
        let draft = issuer.token().subject("ann").audience("bank").lifetime(Duration::from_secs(7200));
        draft.claim("acr", acr).authenticated(ago).sign()
    }

    /// Sends a request. On a step-up challenge, logs in as the challenge demands and retries once.
    async fn call(&mut self, method: &str, path: &str) -> Result<Response, Failure> {
        let first = self.send(method, path).await?;
        let challenge =
            first.headers().get("www-authenticate").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if first.status() != 401 || parameter(challenge, "error") != Some("insufficient_user_authentication") {
            return Ok(first);
        }
        let acr = parameter(challenge, "acr_values").unwrap_or("bronze");
        println!("  {path}: 401, requires acr {acr}, max_age {:?}; logging in", parameter(challenge, "max_age"));
        self.token = Self::token(&self.issuer, acr, Duration::ZERO);
        self.send(method, path).await
    }

    async fn send(&self, method: &str, path: &str) -> Result<Response, Failure> {
        let request = reqwest::Client::new().request(method.parse()?, format!("{}{path}", self.url));
        Ok(request.bearer_auth(&self.token).send().await?)
    }
}

/// The value of `name="value"` in a challenge.
fn parameter<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let issuer = TestIssuer::new();
    // The hardware key becomes a rule later. Until then, count the requests that it would refuse.
    let limits = strong_and_fresh().and(amr("hwk").shadowed());
    let app = app(issuer.verifier_for("bank"), &limits);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut client = Client::logged_in(issuer.clone(), format!("http://{}", listener.local_addr()?));
    tokio::spawn(async move { axum::serve(listener, app).await });

    // Method, path, number of logins that it takes, and the expected response.
    let steps = [
        ("GET", "/balance", 0, "500"),
        ("POST", "/pay/50", 0, "ann paid 50"),
        ("POST", "/pay/5000", 1, "ann paid 5000"),
        ("POST", "/limits", 0, "limits changed"),
        ("six minutes pass", "", 0, ""),
        ("POST", "/pay/50", 0, "ann paid 50"),
        ("POST", "/limits", 1, "limits changed"),
    ];
    for (method, path, logins, expected) in steps {
        if path.is_empty() {
            println!("{method}");
            issuer.clock().advance(Duration::from_secs(360));
            continue;
        }
        let before = client.token.clone();
        let response = client.call(method, path).await?;
        let (status, text) = (response.status(), response.text().await?);
        println!("{method} {path}: {status} {text}");
        check(status == 200 && text == expected, "the request succeeds in the end")?;
        check((client.token != before) == (logins == 1), "only a rule about logins causes a login")?;
    }
    let (rule, stats) = limits.shadows().next().ok_or("a part in shadow mode")?;
    println!("in shadow mode: {rule}; would have refused {} of {}", stats.unmet, stats.met + stats.unmet);
    check((stats.met, stats.unmet) == (0, 2), "both changes of limits were counted and not refused")
}

fn check(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("check failed: {what}").into()) }
}
