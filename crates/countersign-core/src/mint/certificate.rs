//! The certificate of a key that signs.

use aws_lc_rs::digest;

use crate::key::decode_pem;
use crate::token::encode_base64url;

/// The SHA-256 thumbprint of an X.509 certificate (RFC 7515 §4.1.8), by which some services know the key of an assertion.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateThumbprint(Box<str>);

impl CertificateThumbprint {
    /// The thumbprint of the first certificate in a PEM text; the others of its chain do not count.
    ///
    /// `None` if there is none, or the text has a private key, which belongs into a file of its own.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        if pem.contains("PRIVATE KEY-----") {
            return None;
        }
        let der = decode_pem(pem, "CERTIFICATE").filter(|der| der.first() == Some(&0x30))?;
        Some(CertificateThumbprint(encode_base64url(digest::digest(&digest::SHA256, &der).as_ref()).into()))
    }

    /// The value of `x5t#S256`, in base64url.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
