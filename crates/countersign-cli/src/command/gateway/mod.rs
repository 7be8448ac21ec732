//! `countersign gateway`: decides for an edge whether requests may pass.

mod numbers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::get;
use clap::Args;
use countersign::health::Health;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth, ListenAddress, WatchedGateway};
use countersign_issuer::{Issuer, IssuerConfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::command::issuer::control::{self, ControlFileGuard};
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::server::{Limits, Listener, serve, shutdown_signal};
use crate::{log, output, runtime};

/// The largest body of a check, in bytes: over gRPC it has the headers of the request.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Decide for nginx, Caddy, HAProxy, Traefik or Envoy whether requests may pass, by policy and route table.
///
/// It answers the edge at /check, and at /live and /ready whether it runs and has the keys that it needs. An
/// embedded issuer's keys and the numbers for Prometheus have addresses of their own.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The configuration, in TOML; file names in it are relative to its folder
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
    /// Print the listening addresses as one JSON object: edge, address, and keys and metrics if it serves them
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
        config.socket_permissions()?;
        if self.check {
            output::line(&format!("configuration is valid, {} routes", gateway.rules().table().iter().count()))?;
            return Ok(Exit::Done);
        }
        let own = Router::new()
            .route("/live", get(|| async { "ok" }))
            .route("/ready", Health::new(watched.verifier()).route());
        let router = match config.edge {
            Edge::Envoy => own.merge(ExtAuthz::new(gateway).trusted_peers(peers).router()),
            edge => own.fallback_service(ForwardAuth::new(gateway, edge).trusted_peers(peers)),
        };
        runtime.block_on(self.serve(&watched, router))
    }

    async fn serve(self, watched: &WatchedGateway, router: Router) -> Outcome {
        let config = watched.config();
        let (listener, address) = match &config.listen {
            ListenAddress::Tcp(address) => {
                let (listener, address) = listen(*address).await?;
                (Listener::from(listener), address)
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let bound = Listener::unix(&self.beside(path), config.socket_permissions()?).await;
                let unusable = |error| Failure::usage(format!("listen: {}: {error}", config.listen));
                (bound.map_err(unusable)?, config.listen.to_string())
            }
            _ => return Err(Failure::usage("listen: not supported by this command")),
        };
        let keys = match (watched.issuer(), config.issuer.as_ref().and_then(|issuer| issuer.listen)) {
            (Some(issuer), Some(address)) => Some((listen(address).await?, issuer.keys_router())),
            _ => None,
        };
        let numbers = match &config.metrics {
            Some(metrics) => Some((listen(metrics.listen).await?, numbers::router(watched)?)),
            None => None,
        };
        let end = shutdown_signal()?;
        let _control = match (watched.issuer(), &config.issuer) {
            (Some(issuer), Some(settings)) => self.control(issuer, &settings.file).await?,
            _ => None,
        };
        let more = [("keys", &keys), ("metrics", &numbers)];
        let more = more.into_iter().filter_map(|(name, served)| Some((name, served.as_ref()?.0.1.as_str())));
        match self.json {
            true => {
                let mut printed = json!({ "edge": config.edge, "address": address });
                more.for_each(|(name, address)| printed[name] = json!(address));
                output::json(&printed)?;
            }
            false => {
                let more: String = more.map(|(name, address)| format!(", {name} at {address}")).collect();
                output::line(&format!("answers checks at {address}{more}  (stop with Ctrl-C)"))?;
            }
        }
        let (limits, own) = (Limits::new(MAX_BODY_BYTES), &config.limits);
        let checks = limits.with(own.max_connections, own.max_requests, own.max_header_bytes);
        let checks = if config.edge == Edge::Envoy { checks.http2() } else { checks };
        let (stop, stopped) = watch::channel(());
        let until_stopped = |mut stopped: watch::Receiver<()>| async move { drop(stopped.changed().await) };
        let served = serve(listener, router, checks, until_stopped(stopped.clone()));
        let also = async |also: Option<((TcpListener, String), Router)>, stopped| {
            if let Some(((listener, _), router)) = also {
                serve(listener, router, limits, until_stopped(stopped)).await;
            }
        };
        let ended = async {
            end.await;
            drop(stop);
        };
        tokio::join!(served, also(keys, stopped.clone()), also(numbers, stopped), ended);
        Ok(Exit::Done)
    }

    /// A path that starts at the folder of the configuration if it is relative.
    fn beside(&self, path: &Path) -> PathBuf {
        self.config.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The endpoint for `countersign rotate`: only this process may open a store in a file.
    async fn control(&self, issuer: &Issuer, file: &Path) -> Result<Option<ControlFileGuard>, Failure> {
        let file = self.beside(file);
        let Some(path) = control::path(&IssuerConfig::from_file(&file)?, &file) else { return Ok(None) };
        // The gateway also runs without it.
        Ok(control::start(issuer.clone(), &path).await.map_err(|failure| output::warn(&failure.to_string())).ok())
    }
}

/// Listens there; returns the address too, with its port if that was 0.
async fn listen(address: SocketAddr) -> Result<(TcpListener, String), Failure> {
    let unusable = |error: std::io::Error| Failure::usage(format!("listen: {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let bound = listener.local_addr().map_err(unusable)?.to_string();
    Ok((listener, bound))
}
