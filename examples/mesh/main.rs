//! The mesh: a token service, a gateway and two services on loopback, and a client that tests them.
//!
//! `cargo run --example mesh` runs nine steps and exits with 0 only if every check holds.
//! `cargo run --example mesh -- --serve` keeps the services running and prints commands to try.

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

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => scenario::run().await,
        Some("--serve") => serve().await,
        Some(other) => Err(format!("unknown argument {other}; run it without arguments, or with --serve").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the mesh failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Keeps the mesh running until Ctrl-C.
async fn serve() -> Result<()> {
    let mesh = mesh::Mesh::start().await?;
    let [reader, manager] = [("ann", "clerk"), ("meg", "manager")].map(|(subject, role)| {
        let person = tokens::Person { subject, role, tenant: "acme" };
        mesh.tokens.for_person(&person, "gateway", "orders:read stock:read")
    });
    let (reader, manager) = (reader?, manager?);
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
