//! The servers, on one thread of a process of their own: the gateway, and servers that always permit.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use axum::{Router, ServiceExt as _};
use countersign_benches::edge::{self, AlwaysPermits};
use countersign_benches::sample::{self, ISSUER};
use countersign_core::key::Algorithm;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth};
use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tower_service::Service;

use countersign_benches::traffic::Result;
use countersign_benches::traffic::processes;
use countersign_benches::traffic::server::{ServerProcess, serve_until_left};

/// The running servers.
pub(crate) struct Servers {
    process: ServerProcess,
    /// Over gRPC: a bare server of tonic, the same behind axum, and the gateway.
    pub(crate) grpc: [SocketAddr; 3],
    /// Over HTTP: a bare server of axum, and the gateway.
    pub(crate) http: [SocketAddr; 2],
    /// Serves the keys at `/jwks`.
    pub(crate) keys: SocketAddr,
    pub(crate) token: String,
    pub(crate) jwks: String,
}

impl Servers {
    /// Starts this program once more, as a server.
    pub(crate) fn start() -> Result<Self> {
        let (process, lines) = ServerProcess::start()?;
        let [bare, bare_axum, ours, bare_http, ours_http, keys, token, jwks] = &lines[..] else {
            return Err("the servers did not start".into());
        };
        Ok(Servers {
            process,
            grpc: [bare.parse()?, bare_axum.parse()?, ours.parse()?],
            http: [bare_http.parse()?, ours_http.parse()?],
            keys: keys.parse()?,
            token: token.clone(),
            jwks: jwks.clone(),
        })
    }

    /// The processor time of the servers so far.
    pub(crate) fn busy(&self) -> Result<Duration> {
        self.process.busy()
    }
}

/// Serves until the process ends.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The peer of the Go proxy takes this algorithm without more settings. The gateway has the token in its cache.
        let signer = sample::signer(Algorithm::RS256);
        let jwks = sample::jwks(&signer).ok_or("no public key")?;
        let gateway = edge::gateway(&signer);
        let mut addresses = Vec::new();

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.push(listener.local_addr()?);
        let bare = tonic::transport::Server::builder().add_service(AuthorizationServer::new(AlwaysPermits));
        tokio::spawn(bare.serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))));

        let published = jwks.clone();
        let routed = Router::new().route_service(edge::CHECK_METHOD, AuthorizationServer::new(AlwaysPermits));
        addresses.push(start(routed).await?);
        addresses.push(start(ExtAuthz::new(gateway.clone()).router()).await?);
        addresses.push(start(Router::new().fallback(async || ())).await?);
        addresses.push(start(ForwardAuth::new(gateway, Edge::Nginx)).await?);
        let keys = async move || ([("content-type", "application/json")], published);
        addresses.push(start(Router::new().route("/jwks", get(keys))).await?);
        let mut lines: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        lines.extend([sample::token(&signer, ISSUER, 1), jwks]);
        serve_until_left(&lines).await
    })
}

/// Serves `service` and returns its address.
async fn start<S>(service: S) -> Result<SocketAddr>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

/// A command that runs as long as its value lives.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        Ok(Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    pub(crate) fn busy(&self) -> Result<Duration> {
        processes::busy(self.0.id())
    }

    /// Waits until something listens on this port.
    pub(crate) fn listens(mut self, port: u16) -> Result<Self> {
        for _ in 0..600 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(self);
            }
            if self.0.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("the program did not start".into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
