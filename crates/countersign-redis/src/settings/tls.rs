//! The trusted authorities, and the certificate of this service.

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::pem::Pem;

const NO_ROOTS: &str = "no authority is trusted; add one with add_roots_file";

/// The settings of TLS. Files are read again for each connection, because they are replaced while a service runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    pub(super) roots: Vec<Pem>,
    pub(super) only_added_roots: bool,
    /// The chain and the key.
    pub(super) certificate: Option<(Pem, Pem)>,
}

impl TlsSettings {
    /// Reads all files, and fails with words for the operator.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, &'static str> {
        let mut roots = RootCertStore::empty();
        if !self.only_added_roots {
            // Those that cannot be read are left out: one odd certificate of a system must not stop the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for certificate in self.added_roots()? {
            roots.add(certificate).map_err(|_| "an added root is no certificate of an authority")?;
        }
        if roots.is_empty() {
            return Err(NO_ROOTS);
        }
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|_| "TLS cannot be used")?.with_root_certificates(roots);
        let Some((chain, key)) = &self.certificate else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(chain, "the client certificate cannot be read as PEM")?;
        let unreadable = "the key of the client certificate cannot be read as PEM";
        let key = key.read().map_err(|_| unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| unreadable)?;
        config.with_client_auth_cert(chain, key).map_err(|_| "the client certificate and its key do not fit")
    }

    fn added_roots(&self) -> Result<Vec<CertificateDer<'static>>, &'static str> {
        let mut all = Vec::new();
        for pem in &self.roots {
            all.extend(certificates(pem, "the added roots cannot be read as PEM")?);
        }
        Ok(all)
    }
}

fn certificates(pem: &Pem, unreadable: &'static str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let text = pem.read().map_err(|_| unreadable)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.expose().as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(unreadable)
}

#[cfg(feature = "cluster")]
mod of_clusters {
    use redis::{ClientTlsConfig, TlsCertificates};

    use super::{NO_ROOTS, TlsSettings};

    impl TlsSettings {
        /// The same for connections of a cluster, which the crate `redis` opens.
        pub(crate) fn certificates(&self) -> Result<TlsCertificates, &'static str> {
            if self.only_added_roots && self.roots.is_empty() {
                return Err(NO_ROOTS);
            }
            let mut roots = Vec::new();
            for pem in &self.roots {
                let text = pem.read().map_err(|_| "the added roots cannot be read as PEM")?;
                roots.extend_from_slice(text.expose().as_bytes());
                roots.push(b'\n');
            }
            let mut client_tls = None;
            if let Some((chain, key)) = &self.certificate {
                let chain = chain.read().map_err(|_| "the client certificate cannot be read as PEM")?;
                let key = key.read().map_err(|_| "the key of the client certificate cannot be read as PEM")?;
                client_tls = Some(ClientTlsConfig {
                    client_cert: chain.expose().as_bytes().to_vec(),
                    client_key: key.expose().as_bytes().to_vec(),
                });
            }
            Ok(TlsCertificates { client_tls, root_cert: (!roots.is_empty()).then_some(roots) })
        }
    }
}
