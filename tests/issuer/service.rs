//! A running issuer, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, IssuerBuilder};
use countersign_test::ManualClock;
use serde_json::{Map, Value};

/// The secret of every client, in the form of a chosen one.
pub const SECRET: &str = "quaint-heron-lifts-49";

pub struct Service {
    pub issuer: Issuer,
    pub clock: ManualClock,
    pub http: reqwest::Client,
}

/// A response with its body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The error code; checks that the status belongs to it.
    pub fn error(&self) -> String {
        let code = self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.text)).to_owned();
        let expected = if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        assert_eq!(self.status, expected, "{code}");
        code
    }

    pub fn token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()["access_token"].as_str().expect("a token").to_owned()
    }
}

/// `orders` requests tokens for itself and exchanges for `billing`; `billing` exchanges for `ledger`.
pub fn shop(builder: IssuerBuilder) -> IssuerBuilder {
    let secret = || Secret::from(SECRET);
    builder
        .add_audience(Audience::new("orders").scopes(["orders:read"]))
        .add_audience(Audience::new("billing").scopes(["read", "write", "admin"]))
        .add_audience(Audience::new("ledger").scopes(["read"]))
        .add_audience(Audience::new("https://stock.example.com/api").scopes(["read"]))
        .add_client(
            Client::new("orders")
                .secret(secret())
                .audiences(["billing", "https://stock.example.com/api"])
                .default_audience("billing")
                .scopes(["read", "write"])
                .add_exchange_rule(ExchangeRule::new(["billing"])),
        )
        .add_client(
            Client::new("billing")
                .secret(secret())
                .audiences(["ledger", "billing"])
                .scopes(["read"])
                .add_exchange_rule(ExchangeRule::new(["ledger", "billing"])),
        )
        .add_client(Client::new("a:b").secret(Secret::from("p@ss %+ü p@ss %+ü")).audiences(["billing"]))
        .add_client(Client::new("locked").secret(secret()).audiences(["billing"]).locked())
        .add_client(Client::new("undecided").secret(secret()).audiences(["billing", "ledger"]).scopes(["read"]))
}

impl Service {
    /// The shop, with a running clock.
    pub async fn start() -> Self {
        Self::with(shop).await
    }

    pub async fn with(settings: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let name = format!("http://{}", listener.local_addr().expect("an address"));
        let clock = ManualClock::from_system();
        let builder = Issuer::builder(name).clock(Arc::new(clock.clone()));
        let issuer = settings(builder).build().expect("a sound configuration");
        let rotating = issuer.clone();
        let rotate = async move || rotating.rotate_now().map(drop).expect("a key");
        let app = issuer.router().route("/control/rotate", axum::routing::post(rotate));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Service { issuer, clock, http: reqwest::Client::new() }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body") }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.issuer.name()))).await
    }

    /// A token request with Basic credentials.
    pub async fn ask(&self, client: &str, form: &[(&str, &str)]) -> Answer {
        self.ask_with(client, SECRET, form).await
    }

    pub async fn ask_with(&self, client: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
        self.send(self.post("/token").basic_auth(client, Some(secret)).form(form)).await
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.issuer.name()))
    }
}

/// A token's header or claims, unverified.
pub fn segment(token: &str, index: usize) -> Map<String, Value> {
    let encoded = token.split('.').nth(index).expect("a segment");
    let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(encoded).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

pub fn claims(token: &str) -> Map<String, Value> {
    segment(token, 1)
}
