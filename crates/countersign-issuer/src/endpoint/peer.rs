//! The other end of the connection.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use countersign_core::key::Thumbprint;
use countersign_core::proof::{PeerCertificate, VerifiedCertificate};

/// The address and the certificate of the caller. Neither is read from a header: only extensions count, which no client can
/// write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Known if the server was started with `into_make_service_with_connect_info`.
    pub(super) address: Option<IpAddr>,
    pub(super) certificate: Option<Thumbprint>,
}

impl Peer {
    pub(super) fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        Peer {
            address: extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()),
            certificate: extensions.get::<PeerCertificate>().map(PeerCertificate::thumbprint),
        }
    }

    /// The certificate, if its chain was verified. One that is not that of the connection does not count.
    pub(super) fn verified(self, request: &Request) -> Option<VerifiedCertificate> {
        let verified = request.extensions().get::<VerifiedCertificate>()?;
        (self.certificate == Some(verified.thumbprint())).then(|| verified.clone())
    }
}
