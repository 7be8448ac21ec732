//! The certificate of the client at the other end of a TLS connection.

use crate::key::Thumbprint;

/// Request extension: the certificate of the client at the other end of the TLS connection.
///
/// The code that accepts connections inserts it, after the handshake in which the client signed with its key.
/// `countersign::tls` (feature `mtls`) does so for axum. For another server, insert it into `request.extensions_mut()`. No header
/// of a client may lead to one.
///
/// ```
/// use countersign_core::proof::PeerCertificate;
///
/// let leaf_der = b"\x30\x03\x01\x02\x03"; // as the TLS library gives it
/// let certificate = PeerCertificate::from_der(leaf_der);
/// assert_eq!(PeerCertificate::from_thumbprint(certificate.thumbprint()), certificate);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCertificate(Thumbprint);

impl PeerCertificate {
    /// The certificate of the client itself (the leaf), in DER.
    #[must_use]
    pub fn from_der(leaf: &[u8]) -> Self {
        PeerCertificate(Thumbprint::of_certificate(leaf))
    }

    /// The certificate with this thumbprint, of a proxy that names it so.
    #[must_use]
    pub const fn from_thumbprint(thumbprint: Thumbprint) -> Self {
        PeerCertificate(thumbprint)
    }

    /// Its thumbprint (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.0
    }
}
