//! Step 7: the issuer is gone for a while.

use std::time::{Duration, Instant};

use axum::http::header;
use countersign::prelude::*;

use super::calls::{ANN, READS};
use super::teller::Teller;
use crate::mesh::Mesh;
use crate::policy::trusted;
use crate::server::Server;
use crate::{Result, inventory};

/// How soon a service that had no keys must be back, once the issuer is.
const BACK_WITHIN: Duration = Duration::from_secs(30);

pub async fn of_the_issuer(teller: &mut Teller, mesh: &mut Mesh) -> Result<()> {
    teller.step(7, "the issuer is stopped");
    let through = mesh.tokens.for_person(&ANN, "gateway", READS)?;
    let gateway = format!("{}/orders", mesh.gateway.url);
    let before = teller.get(&gateway, Some(&through)).await?; // its exchanged tokens are held from now on
    teller.expect("GET /orders as ann, before", &before, 200, "\"orders_of\":\"ann\"");
    mesh.tokens.stop().await;

    let held = teller.get(&gateway, Some(&through)).await?;
    teller.expect("GET /orders as ann, with the issuer down", &held, 200, "\"orders_of\":\"ann\"");
    let token = mesh.tokens.for_person(&ANN, "inventory", READS)?;
    let fresh = teller.get(&format!("{}/stock/bolts", mesh.inventory.url), Some(&token)).await?;
    teller.expect("a token that inventory never saw, by the keys it holds", &fresh, 200, "\"asked_for\":\"ann\"");

    let newcomer =
        Server::on_free_port(inventory::app(Verifier::new(trusted(mesh.tokens.url(), "inventory"))?)).await?;
    let url = format!("{}/stock/bolts", newcomer.url);
    let without_keys = teller.get(&url, Some(&token)).await?;
    teller.expect("the same at a newly started inventory", &without_keys, 503, "keys_unavailable");
    let retry_after = without_keys.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    teller.claim(&format!("Retry-After: {}", retry_after.unwrap_or("none")), retry_after.is_some());

    mesh.tokens.come_back().await?;
    let back = Instant::now();
    let answer = loop {
        let answer = teller.get(&url, Some(&token)).await?;
        if answer.status.is_success() || back.elapsed() > BACK_WITHIN {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // a client would wait as Retry-After says
    };
    let sent = format!("the newcomer, {:.1} s after the issuer is back", back.elapsed().as_secs_f64());
    teller.expect(&sent, &answer, 200, "\"asked_for\":\"ann\"");
    Ok(())
}
