//! The other end of a TLS connection.

use std::net::SocketAddr;

use countersign_core::proof::PeerCertificate;

/// The address and the certificate of a client, as `ConnectInfo` of apps that `countersign::tls` serves.
///
/// ```
/// use axum::extract::ConnectInfo;
/// use countersign::proof::TlsPeer;
///
/// async fn handler(ConnectInfo(peer): ConnectInfo<TlsPeer>) -> String {
///     format!("{}, with a certificate: {}", peer.address(), peer.certificate().is_some())
/// }
/// # let _ = handler;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TlsPeer {
    address: SocketAddr,
    certificate: Option<PeerCertificate>,
}

impl TlsPeer {
    /// A client at this address, which has proven to have the key of this certificate.
    #[must_use]
    pub fn new(address: SocketAddr, certificate: Option<PeerCertificate>) -> Self {
        TlsPeer { address, certificate }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate, if the client has one.
    #[must_use]
    pub fn certificate(&self) -> Option<PeerCertificate> {
        self.certificate
    }
}
