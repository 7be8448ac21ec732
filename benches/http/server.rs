//! The servers, on one thread of a process of their own.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use countersign::app::{Routes, protect};
use countersign::authenticate::AuthenticateLayer;
use countersign::extract::Claims;
use countersign::grpc::grpc;
use countersign_benches::edge::AlwaysPermits;
use countersign_benches::sample::{self, ISSUER, OwnClaims};
use countersign_benches::traffic::Result;
use countersign_benches::traffic::server::{ServerProcess, serve_until_left};
use countersign_core::authz::scope;
use countersign_core::key::Algorithm;
use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

/// The path of all services over HTTP.
pub(crate) const PATH: &str = "/orders";

/// Room for some hundred tokens.
const CACHE_BYTES: usize = 1 << 20;

/// The running servers.
pub(crate) struct Servers {
    process: ServerProcess,
    /// Over HTTP/1.1 and HTTP/2: bare, with the layer for ES256 and for RS256, and with a guard and typed claims.
    pub(crate) http: [SocketAddr; 4],
    /// Over gRPC: bare, and with the layer for ES256.
    pub(crate) grpc: [SocketAddr; 2],
    /// Of ES256 and of RS256.
    pub(crate) tokens: [String; 2],
}

impl Servers {
    /// Starts this program once more, as a server.
    pub(crate) fn start() -> Result<Self> {
        let (process, lines) = ServerProcess::start()?;
        let [a, b, c, d, bare_grpc, ours_grpc, es256, rs256] = &lines[..] else {
            return Err("the servers did not start".into());
        };
        Ok(Servers {
            process,
            http: [a.parse()?, b.parse()?, c.parse()?, d.parse()?],
            grpc: [bare_grpc.parse()?, ours_grpc.parse()?],
            tokens: [es256.clone(), rs256.clone()],
        })
    }

    /// The processor time of the servers so far.
    pub(crate) fn busy(&self) -> Result<Duration> {
        self.process.busy()
    }
}

/// Serves until the process ends that started this one.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let [es256, rs256] = [Algorithm::ES256, Algorithm::RS256].map(sample::signer);
        let verifier = sample::verifier(&es256, CACHE_BYTES);
        #[cfg(feature = "metrics")]
        {
            metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
            countersign::metrics::Metrics::new(&verifier).publish_every(Duration::from_secs(10));
        }
        let layer = AuthenticateLayer::new(verifier);
        let bare = || Router::new().route(PATH, get(async || ()));
        let guarded = Routes::new().get(PATH, scope("orders:read"), async |claims: Claims<OwnClaims>| drop(claims));
        let apps = [
            protect(bare(), layer.clone()),
            protect(bare(), AuthenticateLayer::new(sample::verifier(&rs256, CACHE_BYTES))),
            protect(guarded, layer.clone()),
        ];
        let listener = async || Ok::<_, std::io::Error>(TcpListener::bind("127.0.0.1:0").await?);
        let first = listener().await?;
        let mut lines = vec![first.local_addr()?.to_string()];
        let first = first.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(first, bare()).await });
        for app in apps {
            let listener = listener().await?;
            lines.push(listener.local_addr()?.to_string());
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            tokio::spawn(async move { axum::serve(listener, app).await });
        }

        let [bare, ours] = [TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?];
        lines.extend([bare.local_addr()?.to_string(), ours.local_addr()?.to_string()]);
        let incoming = |listener| TcpIncoming::from(listener).with_nodelay(Some(true));
        let service = || AuthorizationServer::new(AlwaysPermits);
        let server = tonic::transport::Server::builder().add_service(service());
        tokio::spawn(server.serve_with_incoming(incoming(bare)));
        let server = tonic::transport::Server::builder().layer(grpc(layer)).add_service(service());
        tokio::spawn(server.serve_with_incoming(incoming(ours)));

        lines.extend([sample::token(&es256, ISSUER, 1), sample::token(&rs256, ISSUER, 1)]);
        serve_until_left(&lines).await
    })
}
