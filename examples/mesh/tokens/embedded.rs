//! The embedded issuer, its clients, and the tokens that each may request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::secret::Secret;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, SecretHash};

use super::{GATEWAY, ORDERS, Person};
use crate::Result;
use crate::server::{Server, listen, listen_again};

/// Claims about a person that an exchange copies.
const COPIED: [&str; 3] = ["roles", "plan", "region"];

/// The issuer with its server, the secrets of its clients, and statistics.
pub struct Embedded {
    issuer: Issuer,
    url: String,
    secrets: [(&'static str, Secret<String>); 2],
    clock: Arc<AdjustableClock>,
    key_fetches: Arc<AtomicU64>,
    server: Option<Server>,
}

impl Embedded {
    pub async fn start() -> Result<Self> {
        let (listener, url) = listen().await?;
        let (gateway_secret, gateway_hash) = SecretHash::generate()?;
        let (orders_secret, orders_hash) = SecretHash::generate()?;
        let clock = Arc::new(AdjustableClock::default());
        let to_orders = ExchangeRule::new(["orders"]).copied_claims(COPIED);
        let to_inventory = ExchangeRule::new(["inventory"]);
        let issuer = Issuer::builder(&url)
            .add_audience(Audience::new("gateway").scopes(["orders:read", "orders:write", "stock:read"]))
            .add_audience(
                Audience::new("orders")
                    .scopes(["orders:read", "orders:write", "stock:read"])
                    .token_lifetime(Duration::from_secs(120)), // the gateway passes no longer ones on
            )
            .add_audience(Audience::new("inventory").scopes(["stock:read"]))
            .add_audience(Audience::new("billing"))
            .add_client(
                Client::new(GATEWAY)
                    .secret(gateway_hash)
                    .audiences(["orders"])
                    .scopes(["orders:read", "orders:write", "stock:read"])
                    .add_exchange_rule(to_orders),
            )
            .add_client(
                Client::new(ORDERS)
                    .secret(orders_hash)
                    .audiences(["inventory"])
                    .scopes(["stock:read"])
                    .add_exchange_rule(to_inventory),
            )
            .token_lifetime(Duration::from_secs(3600))
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .build()?;
        let secrets = [(GATEWAY, gateway_secret), (ORDERS, orders_secret)];
        let mut service = Embedded { issuer, url, secrets, clock, key_fetches: Arc::default(), server: None };
        service.server = Some(service.serve(listener));
        Ok(service)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn secret_of(&self, client: &str) -> Secret<String> {
        let found = self.secrets.iter().find(|(id, _)| *id == client).map(|(_, secret)| secret.clone());
        found.unwrap_or_else(|| Secret::from(String::new()))
    }

    pub fn for_person(&self, person: &Person, audience: &str, scope: &str) -> Result<String> {
        let mut draft =
            Draft::access_token().subject(person.subject).audience(audience).client_id("web-shop").scope(scope);
        for (name, value) in person.claims()?.as_object().into_iter().flatten() {
            draft = draft.claim(name, value.clone());
        }
        Ok(self.issuer.mint(&draft)?.as_str().to_owned())
    }

    /// A token that was minted two hours ago and has expired.
    pub fn expired_for_person(&self, person: &Person, audience: &str, scope: &str) -> Result<String> {
        self.clock.behind.store(7200, Ordering::SeqCst);
        let token = self.for_person(person, audience, scope);
        self.clock.behind.store(0, Ordering::SeqCst);
        token
    }

    pub fn rotate(&self) -> Result<()> {
        self.issuer.rotate_now()?;
        Ok(())
    }

    pub fn key_fetches(&self) -> u64 {
        self.key_fetches.load(Ordering::SeqCst)
    }

    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    pub async fn come_back(&mut self) -> Result<()> {
        let listener = listen_again(&self.url).await?;
        self.server = Some(self.serve(listener));
        Ok(())
    }

    fn serve(&self, listener: tokio::net::TcpListener) -> Server {
        let count = middleware::from_fn_with_state(Arc::clone(&self.key_fetches), count_key_fetches);
        Server::start(listener, &self.url, self.issuer.router().layer(count))
    }
}

async fn count_key_fetches(State(count): State<Arc<AtomicU64>>, request: Request, next: Next) -> Response {
    if request.uri().path() == "/jwks" {
        count.fetch_add(1, Ordering::SeqCst);
    }
    next.run(request).await
}

/// The system clock, set back for a moment to mint an expired token.
#[derive(Debug, Default)]
struct AdjustableClock {
    behind: AtomicU64,
}

impl Clock for AdjustableClock {
    fn now(&self) -> UnixTime {
        SystemClock.now().saturating_sub(Duration::from_secs(self.behind.load(Ordering::SeqCst)))
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }
}
