//! Starts the four services and connects them.

use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_gateway::Swap;

use crate::gateway::{self, Behind};
use crate::orders::{self, Orders};
use crate::server::Server;
use crate::tokens::{GATEWAY, IssuerKind, ORDERS, TokenService};
use crate::{Result, inventory};

/// The four services, running.
pub struct Mesh {
    pub tokens: TokenService,
    pub gateway: Server,
    pub orders: Server,
    pub inventory: Server,
    /// The verifier of `inventory`, for its statistics.
    pub inventory_verifier: Verifier,
}

impl Mesh {
    pub async fn start(kind: IssuerKind) -> Result<Self> {
        let http = reqwest::Client::new();
        let tokens = TokenService::start(kind).await?;
        let issuer = tokens.url();

        let inventory_verifier = Verifier::new(tokens.trusted("inventory"))?;
        let inventory = Server::on_free_port(inventory::app(inventory_verifier.clone())).await?;

        let for_inventory = client(issuer, ORDERS, tokens.secret_of(ORDERS)).audience("inventory").scope("stock:read");
        let outbound = Outbound::builder(http.clone()).bind(&inventory.url, for_inventory).build()?;
        let settings = Orders { http: http.clone(), outbound, inventory: inventory.url.clone() };
        let orders = orders::app(Verifier::new(tokens.trusted("orders"))?, settings)?;
        let orders = Server::on_free_port(orders).await?;

        let for_orders = client(issuer, GATEWAY, tokens.secret_of(GATEWAY)).audience("orders");
        let swap = Swap::exchanged("/", &orders.url, "orders", for_orders)?;
        let swap = if tokens.names_actors() { swap } else { swap.client_as_actor(GATEWAY) };
        let behind = Behind { http, orders: orders.url.clone() };
        let gateway = gateway::app(Verifier::new(tokens.trusted("gateway"))?, swap, behind)?;
        let gateway = Server::on_free_port(gateway).await?;

        Ok(Mesh { tokens, gateway, orders, inventory, inventory_verifier })
    }
}

fn client(issuer: &str, id: &str, secret: Secret<String>) -> ClientCredentials {
    ClientCredentials::from_issuer(issuer).client(id, secret)
}
