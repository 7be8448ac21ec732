//! The certificate of the client at the other end of a TLS connection.

use countersign_core::key::Thumbprint;

/// Request extension: the certificate of the client at the other end of the TLS connection.
///
/// The code that accepts connections inserts it, after the handshake in which the client signed with its key.
/// `countersign::tls` (feature `mtls`) does so for axum; for another server, convert what it gives:
///
/// ```
/// use countersign::proof::PeerCertificate;
///
/// fn record(request: &mut http::Request<()>, leaf_der: &[u8]) {
///     request.extensions_mut().insert(PeerCertificate::from_der(leaf_der));
/// }
/// # record(&mut http::Request::new(()), b"der");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCertificate(Thumbprint);

impl PeerCertificate {
    /// The certificate of the client itself (the leaf), in DER.
    #[must_use]
    pub fn from_der(leaf: &[u8]) -> Self {
        PeerCertificate(Thumbprint::of_certificate(leaf))
    }

    /// Its thumbprint (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.0
    }
}
