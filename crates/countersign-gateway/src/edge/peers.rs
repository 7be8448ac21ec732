//! The peers that may ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
#[cfg(unix)]
use axum::extract::connect_info::Connected;
use axum::http::Extensions;
#[cfg(unix)]
use axum::serve::IncomingStream;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::safe_text;
use ipnet::IpNet;

/// The addresses of the edges. Only they may ask.
///
/// ```
/// use countersign_gateway::TrustedPeers;
///
/// let peers = TrustedPeers::new(["10.1.0.0/16", "10.2.0.7"])?;
/// assert!(peers.contains("10.1.2.3".parse().unwrap()) && !peers.contains("127.0.0.1".parse().unwrap()));
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers {
    networks: Arc<[IpNet]>,
    of_socket: bool,
}

/// The peer of a Unix socket, which has no address: the mark of requests that came through one.
///
/// Serve the checks with `into_make_service_with_connect_info::<UnixPeer>()` on a `UnixListener`.
///
/// ```no_run
/// use axum::ServiceExt as _;
/// use countersign_gateway::{Edge, ForwardAuth, Gateway, TrustedPeers, UnixPeer};
///
/// async fn serve(gateway: Gateway) -> std::io::Result<()> {
///     let checks = ForwardAuth::new(gateway, Edge::Nginx).trusted_peers(TrustedPeers::unix_socket());
///     let listener = tokio::net::UnixListener::bind("/run/countersign/gateway.sock")?; // in a folder of the edge's group
///     axum::serve(listener, checks.into_make_service_with_connect_info::<UnixPeer>()).await
/// }
/// # let _ = serve;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixPeer;

#[cfg(unix)]
impl Connected<IncomingStream<'_, tokio::net::UnixListener>> for UnixPeer {
    fn connect_info(_: IncomingStream<'_, tokio::net::UnixListener>) -> Self {
        UnixPeer
    }
}

impl TrustedPeers {
    /// Reads addresses and networks (CIDR).
    ///
    /// # Errors
    /// `ConfigError` on field `trusted_peers` for a text that is neither, and for a network that contains every address.
    pub fn new(networks: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, ConfigError> {
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for text in networks {
            let text = text.as_ref();
            let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            let problem = match network {
                Some(network) if network.prefix_len() == 0 => "every address is trusted; name those of the edge",
                Some(network) => {
                    read.push(network.trunc());
                    continue;
                }
                None => "neither an address nor a network; write one such as 10.1.0.0/16",
            };
            faults.push(Fault::new("trusted_peers", format!("{}: {problem}", safe_text(text))));
        }
        ConfigError::check(faults)?;
        Ok(TrustedPeers { networks: read.into(), of_socket: false })
    }

    /// The addresses of this machine.
    #[must_use]
    pub fn loopback() -> Self {
        let networks = ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok());
        TrustedPeers { networks: networks.collect(), of_socket: false }
    }

    /// Everybody who may write to the file of the Unix socket at which the gateway listens, and nobody else. Its permissions decide.
    #[must_use]
    pub fn unix_socket() -> Self {
        TrustedPeers { networks: Arc::default(), of_socket: true }
    }

    /// Returns whether the sender of a request with these extensions may ask. A request that tells no peer is of nobody.
    pub(super) fn accept(&self, extensions: &Extensions) -> bool {
        match extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(peer)) => self.contains(peer.ip()),
            None => self.of_socket && extensions.get::<ConnectInfo<UnixPeer>>().is_some(),
        }
    }

    /// Returns whether a peer with this address may ask.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }
}
