//! `countersign gateway`: decides for an edge whether requests may pass.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::get;
use clap::Args;
use countersign::health::Health;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth, WatchedGateway};
use countersign_issuer::{Issuer, IssuerConfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::command::issuer::control::{self, ControlFileGuard};
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::server::{Limits, serve, shutdown_signal};
use crate::{log, output, runtime};

/// The largest body of a check, in bytes: over gRPC it has the headers of the request.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Decide for nginx, Caddy, HAProxy, Traefik or Envoy whether requests may pass, by policy and route table.
///
/// It answers the edge at /check, and at /live and /ready whether it runs and has the keys that it needs. With an embedded issuer it
/// serves the keys for the services behind at an address of their own.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The configuration, in TOML; file names in it are relative to its folder
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
    /// Print the listening addresses as one JSON object: edge, address, and keys if it serves them
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
        runtime.block_on(self.serve(&watched, own.fallback_service(checks)))
    }

    async fn serve(self, watched: &WatchedGateway, router: Router) -> Outcome {
        let config = watched.config();
        let listener = listen(config.listen).await?;
        let keys = match (watched.issuer(), config.issuer.as_ref().and_then(|issuer| issuer.listen)) {
            (Some(issuer), Some(address)) => Some((listen(address).await?, issuer.keys_router())),
            _ => None,
        };
        let address = local_address(&listener)?;
        let keys_address = keys.as_ref().map(|(listener, _)| local_address(listener)).transpose()?;
        let end = shutdown_signal()?;
        let _control = match (watched.issuer(), &config.issuer) {
            (Some(issuer), Some(settings)) => self.control(issuer, &settings.file).await?,
            _ => None,
        };
        match (self.json, &keys_address) {
            (true, None) => output::json(&json!({ "edge": config.edge, "address": address }))?,
            (true, Some(keys)) => output::json(&json!({ "edge": config.edge, "address": address, "keys": keys }))?,
            (false, None) => output::line(&format!("answers checks at {address}  (stop with Ctrl-C)"))?,
            (false, Some(keys)) => {
                output::line(&format!("answers checks at {address}, serves keys at {keys}  (stop with Ctrl-C)"))?;
            }
        }
        let limits = Limits::new(MAX_BODY_BYTES);
        let checks = if config.edge == Edge::Envoy { limits.http2() } else { limits };
        let (stop, stopped) = watch::channel(());
        let until_stopped = |mut stopped: watch::Receiver<()>| async move { drop(stopped.changed().await) };
        let served = serve(listener, router, checks, until_stopped(stopped.clone()));
        let served_keys = async {
            if let Some((listener, router)) = keys {
                serve(listener, router, limits, until_stopped(stopped)).await;
            }
        };
        let ended = async {
            end.await;
            drop(stop);
        };
        tokio::join!(served, served_keys, ended);
        Ok(Exit::Done)
    }

    /// The endpoint for `countersign rotate`: only this process may open a store in a file.
    async fn control(&self, issuer: &Issuer, file: &Path) -> Result<Option<ControlFileGuard>, Failure> {
        let file = self.config.parent().unwrap_or(Path::new("")).join(file);
        let Some(path) = control::path(&IssuerConfig::from_file(&file)?, &file) else { return Ok(None) };
        // The gateway also runs without it.
        Ok(control::start(issuer.clone(), &path).await.map_err(|failure| output::warn(&failure.to_string())).ok())
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| Failure::usage(format!("listen: {address}: {error}")))
}

fn local_address(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::usage(format!("listen: {error}")))?;
    Ok(address.to_string())
}
