//! The mesh: a token service, a gateway and two services on loopback, and a client that tests them.
//!
//! `cargo run --example mesh` runs nine steps and exits with 0 only if every check holds.
//! `cargo run --example mesh -- --serve` keeps the services running and prints commands to try.
//! `--issuer keycloak` uses Keycloak in place of the embedded issuer, if `tests/peers/keycloak/install` was run.

mod forge;
mod gateway;
mod inventory;
mod mesh;
mod orders;
mod policy;
mod scenario;
mod server;
mod tokens;

use std::process::ExitCode;

use tokens::IssuerKind;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the mesh failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let (mut kind, mut is_served) = (IssuerKind::default(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--serve" => is_served = true,
            "--issuer" => {
                kind = match arguments.next().as_deref() {
                    Some("keycloak") => IssuerKind::Keycloak,
                    _ => return Err("--issuer takes keycloak; leave it out for the embedded issuer".into()),
                }
            }
            other => {
                return Err(
                    format!("unknown argument {other}; the known ones are --serve and --issuer keycloak").into()
                );
            }
        }
    }
    if is_served { serve(kind).await } else { scenario::run(kind).await }
}

/// Keeps the mesh running until Ctrl-C.
async fn serve(kind: IssuerKind) -> Result<()> {
    let mesh = mesh::Mesh::start(kind).await?;
    let reader = mesh.tokens.for_person(&scenario::ANN, "gateway", scenario::READS).await?;
    let manager = mesh.tokens.for_person(&scenario::MEG, "gateway", scenario::READS).await?;
    let gateway = &mesh.gateway.url;
    println!("issuer     {}", mesh.tokens.url());
    println!("gateway    {gateway}");
    println!("orders     {}", mesh.orders.url);
    println!("inventory  {}", mesh.inventory.url);
    println!("\nRequests of ann, a clerk of tenant acme (the tokens are valid for an hour):\n");
    println!("  TOKEN={reader}");
    println!("  curl -i {gateway}/orders");
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" {gateway}/orders");
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" {gateway}/tenants/acme/orders");
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" {gateway}/tenants/umbrella/orders");
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" -X POST {gateway}/orders");
    println!("\nRequests of meg, a manager, who may create orders:\n");
    println!("  TOKEN={manager}");
    println!("  curl -i -H \"Authorization: Bearer $TOKEN\" -X POST {gateway}/orders");
    println!("\nCtrl-C stops it.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
