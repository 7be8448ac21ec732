//! `countersign gateway`: decides for an edge whether requests may pass.

use std::path::PathBuf;

use axum::Router;
use axum::routing::get;
use clap::Args;
use countersign::health::Health;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth, GatewayConfig, WatchedGateway};
use serde_json::json;
use tokio::net::TcpListener;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::server::{Limits, serve, shutdown_signal};
use crate::{log, output, runtime};

/// The largest body of a check, in bytes: over gRPC it has the headers of the request.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Decide for nginx, Caddy, HAProxy, Traefik or Envoy whether requests may pass, by policy and route table.
///
/// It answers the edge at /check, and at /live and /ready whether it runs and has the keys that it needs.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The configuration, in TOML; file names in it are relative to its folder
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
    /// Print the listening address as one JSON object: edge, address
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let _log = log::start()?; // before the verifier is built, which logs what is weakened
        let runtime = runtime::with_all_cores()?;
        let _within = runtime.enter(); // the files are watched from it
        let watched = WatchedGateway::from_file(&self.config)?;
        let (config, gateway) = (watched.config(), watched.gateway().clone());
        let peers = config.peers()?;
        if self.check {
            output::line(&format!("configuration is valid, {} routes", gateway.rules().table().iter().count()))?;
            return Ok(Exit::Done);
        }
        let checks = match config.edge {
            Edge::Envoy => ExtAuthz::new(gateway).trusted_peers(peers).router(),
            edge => ForwardAuth::new(gateway, edge).trusted_peers(peers).router(),
        };
        let own = Router::new()
            .route("/live", get(|| async { "ok" }))
            .route("/ready", Health::new(watched.verifier()).route());
        runtime.block_on(self.serve(config, own.fallback_service(checks)))
    }

    async fn serve(self, config: &GatewayConfig, router: Router) -> Outcome {
        let unusable = |error: std::io::Error| Failure::usage(format!("listen: {}: {error}", config.listen));
        let listener = TcpListener::bind(config.listen).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?.to_string();
        let end = shutdown_signal()?;
        match self.json {
            true => output::json(&json!({ "edge": config.edge, "address": address }))?,
            false => output::line(&format!("answers checks at {address}  (stop with Ctrl-C)"))?,
        }
        let limits = Limits::new(MAX_BODY_BYTES);
        let limits = if config.edge == Edge::Envoy { limits.http2() } else { limits };
        serve(listener, router, limits, end).await;
        Ok(Exit::Done)
    }
}
