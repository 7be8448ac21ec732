//! Step 7: an outage of the issuer.

use std::time::{Duration, Instant};

use axum::http::header;
use countersign::prelude::*;

use super::calls::{ANN, READS};
use super::report::Report;
use crate::mesh::Mesh;
use crate::server::Server;
use crate::{Result, inventory};

/// How soon a service without keys must recover once the issuer is back.
const BACK_WITHIN: Duration = Duration::from_secs(30);

pub async fn of_the_issuer(report: &mut Report, mesh: &mut Mesh) -> Result<()> {
    report.step(7, "the issuer is stopped");
    let through = mesh.tokens.for_person(&ANN, "gateway", READS).await?;
    let token = mesh.tokens.for_person(&ANN, "inventory", READS).await?;
    let gateway = format!("{}/orders", mesh.gateway.url);
    let before = report.get(&gateway, Some(&through)).await?; // from now on its exchanged tokens are cached
    report.expect("GET /orders as ann, before", &before, 200, "\"orders_of\":\"ann\"");
    mesh.tokens.stop().await?;

    let cached = report.get(&gateway, Some(&through)).await?;
    report.expect("GET /orders as ann, with the issuer down", &cached, 200, "\"orders_of\":\"ann\"");
    let fresh = report.get(&format!("{}/stock/bolts", mesh.inventory.url), Some(&token)).await?;
    report.expect("a token new to inventory, verified with cached keys", &fresh, 200, "\"asked_for\":\"ann\"");

    let restarted = Server::on_free_port(inventory::app(Verifier::new(mesh.tokens.trusted("inventory"))?)).await?;
    let url = format!("{}/stock/bolts", restarted.url);
    let without_keys = report.get(&url, Some(&token)).await?;
    report.expect("the same token at a newly started inventory", &without_keys, 503, "keys_unavailable");
    let retry_after = without_keys.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    report.check(&format!("Retry-After: {}", retry_after.unwrap_or("none")), retry_after.is_some());

    mesh.tokens.come_back().await?;
    let back = Instant::now();
    let answer = loop {
        let answer = report.get(&url, Some(&token)).await?;
        if answer.status.is_success() || back.elapsed() > BACK_WITHIN {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // a client would wait as long as Retry-After states
    };
    let sent = format!("the new inventory, {:.1} s after the issuer is back", back.elapsed().as_secs_f64());
    report.expect(&sent, &answer, 200, "\"asked_for\":\"ann\"");
    Ok(())
}
