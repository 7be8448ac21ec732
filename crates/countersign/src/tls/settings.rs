//! The settings of a TLS server.

use std::fmt;
use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::any_certificate::AnyCertificate;

/// The certificates of clients that a server takes. Clients without one are served too; tokens that are bound to a certificate
/// are then refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// Any certificate whose key the client has, also a self-signed one: for tokens that are bound to it, which name it by its
    /// hash. It says nothing else about the client: the names in it can be made up.
    Any,
    /// Certificates that these authorities signed, as PEM. Only those authenticate clients of an issuer by a name; see
    /// [`VerifiedCertificate`](crate::proof::VerifiedCertificate).
    SignedBy(String),
}

/// The certificate of a server, and the certificates of clients that it takes; [`tls`](super) has an example.
#[derive(Clone)]
pub struct TlsSettings {
    pub(super) config: Arc<ServerConfig>,
    /// True if the chain of a client's certificate is verified.
    pub(super) verifies_chains: bool,
}

impl TlsSettings {
    /// A server with this chain of certificates and this key, both as PEM; HTTP/2 and HTTP/1.1 over TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// `ConfigError` on the fields `certificate`, `key` and `client_certificates`.
    pub fn new(chain_pem: &str, key_pem: &Secret<String>, clients: ClientCertificates) -> Result<Self, ConfigError> {
        let chain = certificates(chain_pem, "certificate")?;
        // Errors of keys may show a part of them.
        let key = PrivateKeyDer::from_pem_slice(key_pem.expose().as_bytes())
            .map_err(|_| ConfigError::new("key", "not a private key as PEM"))?;
        let provider = Arc::new(default_provider());
        let verifies_chains = matches!(clients, ClientCertificates::SignedBy(_));
        let verifier: Arc<dyn ClientCertVerifier> = match clients {
            ClientCertificates::Any => Arc::new(AnyCertificate(provider.signature_verification_algorithms)),
            ClientCertificates::SignedBy(roots_pem) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(&roots_pem, "client_certificates")? {
                    roots
                        .add(root)
                        .map_err(|_| ConfigError::new("client_certificates", "not a certificate of an authority"))?;
                }
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|_| ConfigError::new("client_certificates", "no authority that can be used"))?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::new("certificate", error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| ConfigError::new("key", format!("certificate and key do not fit: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsSettings { config: Arc::new(config), verifies_chains })
    }
}

fn certificates(pem: &str, field: &'static str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    read.ok().filter(|found| !found.is_empty()).ok_or_else(|| ConfigError::new(field, "no certificates as PEM"))
}

/// Omits the key.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").finish_non_exhaustive()
    }
}
