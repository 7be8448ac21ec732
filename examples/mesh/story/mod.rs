//! The story: nine steps, a line for each thing sent, and how many surprises there were.

mod cache;
mod calls;
mod outage;
mod rotation;
mod teller;

use crate::Result;
use crate::mesh::Mesh;
use teller::Teller;

/// Tells it; an error where anything went otherwise than it should.
pub async fn tell() -> Result<()> {
    println!("starting issuer, gateway, orders and inventory on loopback ...");
    let mut mesh = Mesh::start().await?;
    println!(
        "issuer {}  gateway {}  orders {}  inventory {}",
        mesh.tokens.url(),
        mesh.gateway.url,
        mesh.orders.url,
        mesh.inventory.url
    );
    let mut teller = Teller::new();
    calls::without_a_token(&mut teller, &mesh).await?;
    calls::through_the_mesh(&mut teller, &mesh).await?;
    calls::bad_tokens(&mut teller, &mesh).await?;
    calls::permissions(&mut teller, &mesh).await?;
    calls::tenants(&mut teller, &mesh).await?;
    rotation::under_load(&mut teller, &mesh).await?;
    outage::of_the_issuer(&mut teller, &mut mesh).await?;
    cache::ten_thousand_times(&mut teller, &mesh).await?;
    calls::two_generations(&mut teller, &mesh).await?;
    teller.sum_up()
}
