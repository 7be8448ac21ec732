//! `countersign inspect`: serves the inspector page.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router, middleware};
use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::state::Inspector;
use super::{api, open, page, request_guard};
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::server::{Limits, add_headers, serve_guarded};
use crate::{output, runtime};

/// Maximum size of a request body, in bytes.
const MAX_ASK_BYTES: usize = 512 * 1024;

/// Inspect tokens on a local page: edit, check, compare, mint, and send them to a service of yours.
///
/// The page is served on 127.0.0.1 while this command runs (stop with Ctrl-C). It works only with the address that this
/// command opens and prints: the address ends with a secret of the run, so keep it to yourself. Other users of the machine
/// may see the arguments of the browser that is opened; start with `--no-open` if you share it. The page is embedded in the
/// binary: nothing is loaded from elsewhere or stored. Requests go only to the issuer and the local service that you name.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The port; by default the system assigns one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Also allow sending tokens to this host, not only to loopback; may be repeated
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// Print the page's address as one JSON object: url, jwks
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let runtime = runtime::with_threads(2)?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Outcome {
        let unusable = |error: std::io::Error| Failure::usage(format!("port {}: {error}", self.port));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await.map_err(unusable)?;
        let address = format!("http://{}", listener.local_addr().map_err(unusable)?);
        let state = Arc::new(Inspector::new(address.clone(), self.allow_host)?);
        // Browsers do not send a fragment. The page reads the secret from it, and every request needs the secret.
        let url = format!("{address}/#run={}", state.secret);
        match self.json {
            true => output::json(&json!({ "url": url, "jwks": format!("{address}{JWKS}") }))?,
            false => output::line(&format!("The inspector is at {url}  (stop with Ctrl-C)"))?,
        }
        if !self.no_open && !open::browser(&url) {
            output::warn("no browser could be opened; open the address above");
        }
        let guarded = Arc::clone(&state);
        let guard = move |request: &Parts| request_guard::refusal(&guarded, request);
        // Until Ctrl-C.
        serve_guarded(listener, guard, router(state), Limits::new(MAX_ASK_BYTES), std::future::pending()).await;
        Ok(Exit::Done)
    }
}

/// Path of the public test keys, for services under test.
const JWKS: &str = "/.well-known/jwks.json";

fn router(state: Arc<Inspector>) -> Router {
    Router::new()
        .merge(page::router())
        .nest("/api", api::router())
        .route(JWKS, get(|State(state): State<Arc<Inspector>>| async move { Json(state.jwks()) }))
        .route("/.well-known/openid-configuration", get(discovery))
        .layer(DefaultBodyLimit::max(MAX_ASK_BYTES))
        .layer(middleware::from_fn(add_headers))
        .with_state(state)
}

/// Discovery document, so that a service under test can trust the inspector as an issuer.
async fn discovery(State(state): State<Arc<Inspector>>) -> Json<Value> {
    Json(json!({ "issuer": state.address, "jwks_uri": format!("{}{JWKS}", state.address) }))
}
