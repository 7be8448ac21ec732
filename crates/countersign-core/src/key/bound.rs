//! Thumbprints of keys and certificates, to which tokens are bound (`cnf`).

use std::fmt;

use crate::token::{decode_base64url_into, encode_base64url};

/// The SHA-256 of a key (RFC 7638) or of a certificate (RFC 8705 §3.1).
///
/// ```
/// use countersign_core::key::Thumbprint;
///
/// let text = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
/// assert_eq!(Thumbprint::from_base64url(text).unwrap().to_string(), text);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint(pub(crate) [u8; 32]);

impl Thumbprint {
    /// Reads a thumbprint in canonical base64url; `None` for any other text.
    #[must_use]
    pub fn from_base64url(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = decode_base64url_into(text, &mut bytes)?.len();
        (length == bytes.len()).then_some(Thumbprint(bytes))
    }

    /// The thumbprint of these 32 bytes, a SHA-256.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Thumbprint(bytes)
    }

    /// The thumbprint of a certificate in DER.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref());
        Thumbprint(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_base64url(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
