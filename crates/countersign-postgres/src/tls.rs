//! TLS to a database on another machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::integration::safe_text_within;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto};

/// The files of TLS. They are read for each connection, because they are replaced while a service runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The trusted authorities; those of the system if there is no file.
    pub(crate) roots: Option<PathBuf>,
    /// The chain of this client.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key.
    pub(crate) key: Option<PathBuf>,
}

/// The most characters of an error of TLS that are repeated: it may have names of the other side.
const MAX_CAUSE_CHARS: usize = 200;

impl TlsFiles {
    /// Reads the files, and fails with words for the operator.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, &'static str> {
        let mut roots = RootCertStore::empty();
        match &self.roots {
            // Those that cannot be read are left out: one odd certificate of a system must not stop the others.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
            Some(file) => {
                for certificate in certificates(file, "sslrootcert cannot be read as PEM")? {
                    roots.add(certificate).map_err(|_| "sslrootcert has a certificate that is no authority's")?;
                }
            }
        }
        if roots.is_empty() {
            return Err("no authority is trusted; set sslrootcert");
        }
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|_| "TLS cannot be used")?.with_root_certificates(roots);
        let config = match (&self.certificate, &self.key) {
            (Some(chain), Some(key)) => {
                let chain = certificates(chain, "sslcert cannot be read as PEM")?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|_| "sslkey cannot be read as PEM")?;
                config.with_client_auth_cert(chain, key).map_err(|_| "sslcert and sslkey do not fit")?
            }
            _ => config.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

/// The reason why TLS failed, if that is why a connection failed.
pub(crate) fn tls_failure(error: &tokio_postgres::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let within = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = cause.downcast_ref().or_else(|| within.and_then(|cause| cause.downcast_ref::<rustls::Error>()));
        if let Some(found) = found {
            return Some(format!("TLS failed: {}", safe_text_within(&found.to_string(), MAX_CAUSE_CHARS)));
        }
        source = cause.source();
    }
    None
}

fn certificates(file: &Path, unreadable: &'static str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(|_| unreadable)?.collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(unreadable)
}
