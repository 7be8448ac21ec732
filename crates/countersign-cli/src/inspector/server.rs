//! `countersign inspect`: serves the page until the command ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use axum::{Json, Router, middleware};
use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::bench::Bench;
use super::{api, fence, open, page};
use crate::exit::{Exit, Failure, Outcome};
use crate::{EXIT_CODES, output};

/// The largest question taken, in bytes.
const MAX_ASK_BYTES: usize = 512 * 1024;

/// Look at tokens on a page: edit, check, compare, mint, and try them on a service of yours.
///
/// The page is served on 127.0.0.1 by this command and ends with it (Ctrl-C). All of it is in the binary: nothing is
/// loaded from elsewhere, stored, or sent away, but for the keys of an issuer and the local service that you name.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The port; by default the system chooses one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Let tokens be tried on this host too, not on loopback alone; several may be given
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Print where the page is as one JSON object: url, jwks
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::question(format!("no runtime: {error}")))?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Outcome {
        let unusable = |error: std::io::Error| Failure::question(format!("port {}: {error}", self.port));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await.map_err(unusable)?;
        let address = format!("http://{}", listener.local_addr().map_err(unusable)?);
        let bench = Arc::new(Bench::new(address.clone(), self.allow_host)?);
        match self.json {
            true => output::json(&json!({ "url": format!("{address}/"), "jwks": format!("{address}{JWKS}") }))?,
            false => output::line(&format!("The inspector is at {address}/  (it ends with this command: Ctrl-C)"))?,
        }
        if !self.no_open && !open::browser(&format!("{address}/")) {
            output::complain("no browser could be opened; open the address above");
        }
        axum::serve(listener, router(bench)).await.map_err(unusable)?;
        Ok(Exit::Done)
    }
}

/// Where services under test find the public halves of the test keys.
const JWKS: &str = "/.well-known/jwks.json";

fn router(bench: Arc<Bench>) -> Router {
    Router::new()
        .merge(page::router())
        .nest("/api", api::router())
        .route(JWKS, get(|State(bench): State<Arc<Bench>>| async move { Json(bench.jwks()) }))
        .route("/.well-known/openid-configuration", get(discovery))
        .layer(DefaultBodyLimit::max(MAX_ASK_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&bench), fence::guard))
        .with_state(bench)
}

/// Makes our address an issuer that a service under test can trust by discovery.
async fn discovery(State(bench): State<Arc<Bench>>) -> Json<Value> {
    Json(json!({ "issuer": bench.address, "jwks_uri": format!("{}{JWKS}", bench.address) }))
}
