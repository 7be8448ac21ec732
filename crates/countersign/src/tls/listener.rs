//! A listener for `axum::serve`, whose handshakes do not wait for each other.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use countersign_core::integration::{OccupancyBudget, Standing};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::connection::TlsConnection;
use super::settings::TlsSettings;
use crate::proof::{PeerCertificate, TlsPeer, VerifiedCertificate};

/// The most handshakes at the same time.
const MAX_HANDSHAKES: u32 = 1_024;

/// The longest handshake.
const MAX_HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// The connections that wait to be served.
const WAITING: usize = 64;

/// The pause after an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// Accepts TLS connections for `axum::serve`; [`tls`](super) has an example.
///
/// Handshakes run side by side, at most 1,024, each for at most 10 s. One address (of IPv6, a /64) gets at most as many of them as stay
/// free to others. Connections after their handshake are those of `axum::serve`, which limits neither their number nor
/// their time: a service that faces the internet needs a proxy before it.
pub struct TlsListener {
    address: SocketAddr,
    accepted: mpsc::Receiver<(TlsConnection, TlsPeer)>,
    task: JoinHandle<()>,
}

impl TlsListener {
    /// Serves TLS on the connections of `listener`. Needs a tokio runtime.
    ///
    /// # Panics
    /// If it is called outside of a tokio runtime.
    #[must_use]
    pub fn new(listener: TcpListener, settings: TlsSettings) -> Self {
        let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let (sender, accepted) = mpsc::channel(WAITING);
        let task = tokio::spawn(accept_all(listener, settings, sender));
        TlsListener { address, accepted, task }
    }
}

async fn accept_all(listener: TcpListener, settings: TlsSettings, accepted: mpsc::Sender<(TlsConnection, TlsPeer)>) {
    let handshakes = OccupancyBudget::new(MAX_HANDSHAKES);
    let (acceptor, verifies_chains) = (TlsAcceptor::from(settings.config), settings.verifies_chains);
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!(target: "countersign::tls", %error, "connections cannot be accepted; trying again in a second");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = handshakes.acquire(&network_of(address.ip()), Standing::Known) else { continue };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            let handshake = tokio::time::timeout(MAX_HANDSHAKE_TIME, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let peer = match certificates.first() {
                    Some(leaf) if verifies_chains => {
                        TlsPeer::with_verified(address, VerifiedCertificate::from_verified_der(leaf))
                    }
                    leaf => TlsPeer::new(address, leaf.map(|leaf| PeerCertificate::from_der(leaf))),
                };
                // An error means that nobody serves any more.
                let _ = accepted.send((TlsConnection(stream), peer)).await;
            }
            drop(permit);
        });
    }
}

/// The part of an address that one client has: of IPv6, it has 64 bits of its own.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Listener for TlsListener {
    type Io = TlsConnection;
    type Addr = TlsPeer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await, // the task ends only with this value
        }
    }

    fn local_addr(&self) -> io::Result<TlsPeer> {
        Ok(TlsPeer::new(self.address, None))
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for TlsPeer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener").field("address", &self.address).finish_non_exhaustive()
    }
}
