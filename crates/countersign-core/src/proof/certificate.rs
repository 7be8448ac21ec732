//! The certificate of the client at the other end of a TLS connection.

use std::fmt;
use std::sync::Arc;

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

/// Request extension: the certificate of the client, whose chain was verified up to an authority that the server is configured to
/// trust. The names in it are those that the authority vouches for.
///
/// A [`PeerCertificate`] states only that the client has the key: anybody can write any name into a self-signed certificate. So this
/// is a type of its own, and nothing turns one into the other. `countersign::tls` inserts it only with `ClientCertificates::SignedBy`,
/// and `ReadCertificateLayer` behind a proxy only with `MutualTls::verified_by_proxy`.
///
/// ```
/// use countersign_core::proof::{PeerCertificate, VerifiedCertificate};
///
/// let leaf_der = b"\x30\x03\x01\x02\x03"; // as the TLS library gives it after it has verified the chain
/// let certificate = VerifiedCertificate::from_verified_der(leaf_der);
/// assert_eq!(certificate.thumbprint(), PeerCertificate::from_der(leaf_der).thumbprint());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedCertificate(Arc<[u8]>);

impl VerifiedCertificate {
    /// The certificate of the client itself (the leaf), in DER, whose chain, validity and purpose the TLS library has verified against
    /// configured authorities.
    #[must_use]
    pub fn from_verified_der(leaf: &[u8]) -> Self {
        VerifiedCertificate(leaf.into())
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// Its thumbprint (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of_certificate(&self.0)
    }
}

/// The thumbprint only.
impl fmt::Debug for VerifiedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedCertificate").field(&self.thumbprint()).finish()
    }
}
