//! The other end of a TLS connection.

use std::net::SocketAddr;

use countersign_core::proof::{PeerCertificate, VerifiedCertificate};

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
#[derive(Clone, Debug)]
pub struct TlsPeer {
    address: SocketAddr,
    certificate: Option<PeerCertificate>,
    verified: Option<VerifiedCertificate>,
}

impl TlsPeer {
    /// A client at this address, which has proven to have the key of this certificate.
    #[must_use]
    pub fn new(address: SocketAddr, certificate: Option<PeerCertificate>) -> Self {
        TlsPeer { address, certificate, verified: None }
    }

    /// A client at this address with this certificate, whose chain the acceptor verified up to a configured authority.
    ///
    /// ```
    /// use countersign::proof::{TlsPeer, VerifiedCertificate};
    ///
    /// let verified = VerifiedCertificate::from_verified_der(b"\x30\x03\x01\x02\x03");
    /// let peer = TlsPeer::with_verified("192.0.2.1:4711".parse().unwrap(), verified);
    /// assert!(peer.certificate().is_some() && peer.verified_certificate().is_some());
    /// ```
    #[must_use]
    pub fn with_verified(address: SocketAddr, verified: VerifiedCertificate) -> Self {
        let certificate = PeerCertificate::from_thumbprint(verified.thumbprint());
        TlsPeer { address, certificate: Some(certificate), verified: Some(verified) }
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

    /// The certificate, if its chain was verified up to a configured authority.
    #[must_use]
    pub fn verified_certificate(&self) -> Option<&VerifiedCertificate> {
        self.verified.as_ref()
    }
}
