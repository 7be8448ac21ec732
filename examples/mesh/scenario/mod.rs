//! The scenario: nine steps, one line per check, and the number of failures.

mod cache;
mod calls;
mod outage;
mod report;
mod rotation;

use crate::Result;
use crate::mesh::Mesh;
use crate::tokens::IssuerKind;
pub use calls::{ANN, MEG, READS};
use report::Report;

/// Runs every step. Returns an error if a check failed.
pub async fn run(kind: IssuerKind) -> Result<()> {
    println!("starting issuer, gateway, orders and inventory on loopback ...");
    let mut mesh = Mesh::start(kind).await?;
    println!(
        "issuer {}  gateway {}  orders {}  inventory {}",
        mesh.tokens.url(),
        mesh.gateway.url,
        mesh.orders.url,
        mesh.inventory.url
    );
    let mut report = Report::new();
    calls::without_a_token(&mut report, &mesh).await?;
    calls::through_the_mesh(&mut report, &mesh).await?;
    calls::bad_tokens(&mut report, &mesh).await?;
    calls::permissions(&mut report, &mesh).await?;
    calls::tenants(&mut report, &mesh).await?;
    rotation::under_load(&mut report, &mesh).await?;
    outage::of_the_issuer(&mut report, &mut mesh).await?;
    cache::ten_thousand_times(&mut report, &mesh).await?;
    calls::two_versions(&mut report, &mesh).await?;
    report.finish()
}
