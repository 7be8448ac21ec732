//! `countersign issuer`: runs the embedded token service from a configuration file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use clap::Args;
use countersign::keys::from_config;
use countersign::proof::{MutualTls, ReadCertificateLayer};
use countersign_issuer::{ClientConfig, Issuer, IssuerConfig};
use countersign_redis::RevocationStream;
use serde_json::json;
use tokio::net::TcpListener;

use super::{control, example};
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::server::{Limits, serve, shutdown_signal};
use crate::{fetch, log, output, redis, runtime};

/// The largest request body, in bytes. The issuer itself refuses those over 64 KiB.
const MAX_BODY_BYTES: usize = 128 * 1024;

/// The longest wait for calls of the store that are still running when the service ends.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// Run a small token service for service-to-service calls: client credentials, token exchange, workload federation, identity
/// assertions.
///
/// It is not a login server. It serves plain HTTP; beyond this machine a proxy must terminate TLS. Issued and
/// refused tokens are logged to standard error, without secrets.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The configuration, in TOML; file names in it are relative to its folder
    #[arg(long, value_name = "FILE", required_unless_present = "example")]
    config: Option<PathBuf>,
    /// Print a configuration for an MCP server and its machine clients, with a new secret on standard error, and exit
    #[arg(long, conflicts_with_all = ["config", "check", "behind_tls", "revocations_redis_env", "json"])]
    example: bool,
    /// Check the configuration, open the store, and exit
    #[arg(long)]
    check: bool,
    /// Listen beyond loopback; a proxy terminates TLS
    #[arg(long)]
    behind_tls: bool,
    /// Publish revocations to the Redis or Valkey whose URL this environment variable has
    #[arg(long, value_name = "VARIABLE")]
    revocations_redis_env: Option<String>,
    /// Trust the authorities in this PEM file too, for a Redis with TLS
    #[arg(long, value_name = "FILE", requires = "revocations_redis_env")]
    redis_roots: Option<PathBuf>,
    /// Find the primary, whose name is the host of that URL, by the sentinels whose URLs this environment variable has, with
    /// spaces between them
    #[arg(long, value_name = "VARIABLE", requires = "revocations_redis_env")]
    redis_sentinels_env: Option<String>,
    /// Print the listening address as one JSON object: issuer, address
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let Some(path) = &self.config else { return example::print() };
        let config = IssuerConfig::from_file(path).map_err(|error| invalid(&error))?;
        let _log = log::start()?; // before the issuer is built, which logs what is weakened
        let runtime = runtime::with_all_cores()?;
        let within = runtime.enter(); // keys of other issuers are fetched from it
        let issuer = config.build_with(from_config).map_err(|error| invalid(&error))?;
        let certificates = certificates(&config)?;
        let stream = self.stream(&issuer)?;
        if self.check {
            output::line(&format!("{}: configuration is valid, {} keys", issuer.name(), issuer.keys().len()))?;
            return Ok(Exit::Done);
        }
        let publisher = stream.map(|stream| stream.publish(issuer.clone())).transpose()?;
        let outcome = runtime.block_on(self.serve(path, &config, &issuer, certificates));
        drop(publisher);
        drop(within);
        runtime.shutdown_timeout(STORE_TIMEOUT);
        outcome
    }

    /// The stream to which revocations are published.
    fn stream(&self, issuer: &Issuer) -> Result<Option<RevocationStream>, Failure> {
        let Some(variable) = &self.revocations_redis_env else { return Ok(None) };
        let settings = redis::settings(variable, self.redis_roots.as_deref(), self.redis_sentinels_env.as_deref())?;
        Ok(Some(RevocationStream::connect_in_background(settings, issuer.name())?))
    }

    async fn serve(
        &self,
        path: &Path,
        config: &IssuerConfig,
        issuer: &Issuer,
        certificates: Option<ReadCertificateLayer>,
    ) -> Outcome {
        let address = address(config)?;
        if !address.ip().is_loopback() && !self.behind_tls {
            let problem = "is beyond loopback; add --behind-tls if a proxy terminates TLS";
            return Err(Failure::usage(format!("listen: {address} {problem}")));
        }
        let unusable = |error: std::io::Error| Failure::usage(format!("listen: {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?.to_string();
        let end = shutdown_signal()?;
        let _control = match control::path(config, path) {
            // The service also runs without a control endpoint.
            Some(path) => {
                control::start(issuer.clone(), &path).await.map_err(|failure| output::warn(&failure.to_string())).ok()
            }
            None => None,
        };
        match self.json {
            true => output::json(&json!({ "issuer": issuer.name(), "address": address }))?,
            false => output::line(&format!("{} listens on {address}  (stop with Ctrl-C)", issuer.name()))?,
        }
        let router = certificates.into_iter().fold(issuer.router(), Router::layer);
        serve(listener, router, Limits::new(MAX_BODY_BYTES), end).await;
        Ok(Exit::Done)
    }
}

/// Takes the certificates of clients from the configured proxies.
fn certificates(config: &IssuerConfig) -> Result<Option<ReadCertificateLayer>, Failure> {
    if config.certificate_proxies_verify_chains && config.certificate_proxies.is_empty() {
        return Err(Failure::usage(
            "certificate_proxies_verify_chains needs certificate_proxies; Envoy forwards no names",
        ));
    }
    let mutual_tls = match (config.certificate_proxies.as_slice(), config.certificate_envoys.as_slice()) {
        ([], []) => {
            let needs_one =
                |client: &&ClientConfig| client.certificate_bound_access_tokens || authenticates_by_certificate(client);
            return match config.clients.iter().find(needs_one) {
                None => Ok(None),
                Some(client) => Err(Failure::usage(format!(
                    "client {}: needs its certificate, which no proxy forwards; name certificate_proxies or certificate_envoys",
                    client.id.escape_debug()
                ))),
            };
        }
        (proxies, []) if config.certificate_proxies_verify_chains => {
            MutualTls::from_proxies(proxies).verified_by_proxy()
        }
        (proxies, []) => MutualTls::from_proxies(proxies),
        ([], envoys) => MutualTls::from_envoy(envoys),
        _ => return Err(Failure::usage("certificate_proxies and certificate_envoys are both set; name one kind")),
    };
    if let Some(client) = config.clients.iter().find(|client| client.has_certificate_name())
        && !config.certificate_proxies_verify_chains
    {
        return Err(Failure::usage(format!(
            "client {}: its certificate counts only if the proxy verified its chain; \
             if it does, set certificate_proxies_verify_chains = true",
            client.id.escape_debug()
        )));
    }
    ReadCertificateLayer::new(mutual_tls).map(Some).map_err(|error| invalid(&error))
}

fn authenticates_by_certificate(client: &ClientConfig) -> bool {
    client.has_certificate_name() || !client.certificates.is_empty()
}

/// The listening address: as configured, otherwise taken from a plain-HTTP issuer name on loopback.
fn address(config: &IssuerConfig) -> Result<SocketAddr, Failure> {
    let named = || {
        let (host, port) = config.issuer.strip_prefix("http://")?.split('/').next()?.rsplit_once(':')?;
        Some(SocketAddr::new(fetch::literal_ip(host)?, port.parse().ok()?))
    };
    let missing = || Failure::usage("listen is missing; name the address, such as 127.0.0.1:4000");
    config.listen.or_else(named).ok_or_else(missing)
}

fn invalid(error: &countersign::error::ConfigError) -> Failure {
    Failure::usage(error.to_string())
}
