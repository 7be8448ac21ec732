//! The settings of connections: TLS roots, client certificate and proxy.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use countersign_core::key::SettingsDigest;
use countersign_core::secret::Secret;
use reqwest::Client;

use super::pem::Pem;

/// The settings of the connections that this crate opens: which authorities are trusted, which certificate the client shows,
/// and which proxy is used.
///
/// Key sources and token sources take them (`connection`). Clones share one HTTP client. Nothing here can switch the check of
/// certificates off or add headers.
///
/// Without settings, the roots are those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` if these are set, and the proxy
/// is that of `HTTPS_PROXY` (or `ALL_PROXY`), except for hosts in `NO_PROXY`. Connections to loopback use no proxy.
///
/// Files are read again for each fetch, because authorities and certificates are replaced while a service runs.
///
/// ```
/// use std::sync::Arc;
/// use countersign::connection::ConnectionSettings;
/// use countersign::keys::RemoteKeys;
/// use countersign::prelude::*;
/// use countersign::secret::Secret;
///
/// let internal = ConnectionSettings::new().add_roots_file("/etc/company/ca.pem").without_proxy();
/// let keys = RemoteKeys::from_issuer("https://id.internal").connection(internal.clone());
/// let tokens = ClientCredentials::from_issuer("https://id.internal")
///     .client("orders", Secret::from("from-the-vault"))
///     .connection(internal);
/// # let _ = (keys, tokens);
/// ```
#[derive(Clone, Default)]
pub struct ConnectionSettings {
    pub(super) roots: Vec<Pem>,
    pub(super) only_added_roots: bool,
    /// The chain and the key.
    pub(super) certificate: Option<(Pem, Pem)>,
    pub(super) proxy: Proxy,
    /// The clients of these settings, shared by clones.
    pub(super) clients: Arc<Mutex<Vec<BuiltClient>>>,
}

/// The proxy of connections off loopback.
#[derive(Clone, Default)]
pub(super) enum Proxy {
    /// That of the environment.
    #[default]
    Environment,
    None,
    Url(Arc<Secret<String>>),
}

/// A client, and the digest of the PEM texts that it was built from.
pub(super) struct BuiltClient {
    pub(super) kind: Kind,
    pub(super) digest: [u8; 32],
    pub(super) client: Client,
}

/// The kinds of client that one value of settings needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Through the proxy, if there is one.
    Proxied,
    /// Without a proxy, for loopback.
    Direct,
    /// Without a proxy, to public addresses only.
    PublicOnly,
}

impl ConnectionSettings {
    /// The defaults: roots and proxy of the system, no client certificate.
    #[must_use]
    pub fn new() -> Self {
        ConnectionSettings::default()
    }

    /// Trusts these certificates (PEM) too.
    #[must_use]
    pub fn add_roots(mut self, pem: impl Into<String>) -> Self {
        self.roots.push(Pem::from(Secret::new(pem.into())));
        self.changed()
    }

    /// Trusts the certificates in this PEM file too.
    #[must_use]
    pub fn add_roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(Pem::File(path.into()));
        self.changed()
    }

    /// Trusts only the roots that were added, and not those of the system.
    #[must_use]
    pub fn only_added_roots(mut self) -> Self {
        self.only_added_roots = true;
        self.changed()
    }

    /// The client's certificate with its chain, and its key, both PEM, for servers that ask for one.
    #[must_use]
    pub fn certificate(mut self, chain: impl Into<String>, key: Secret<String>) -> Self {
        self.certificate = Some((Pem::from(Secret::new(chain.into())), Pem::from(key)));
        self.changed()
    }

    /// As [`certificate`](Self::certificate), from two PEM files; both may be the same one.
    #[must_use]
    pub fn certificate_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some((Pem::File(chain.into()), Pem::File(key.into())));
        self.changed()
    }

    /// Uses this proxy, whatever the environment says: a URL with `http`, `https`, `socks5` or `socks5h`, and with user and
    /// password if the proxy needs them.
    ///
    /// Keys of issuers that are resolved at run time cannot use one, because the server's address could not be checked.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<Secret<String>>) -> Self {
        self.proxy = Proxy::Url(Arc::new(url.into()));
        self.changed()
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.proxy = Proxy::None;
        self.changed()
    }

    /// These settings for a cluster's API server: its authority in this file is trusted too, the system's roots are not, and
    /// the proxy of the environment is not used.
    #[cfg(feature = "remote-keys")]
    pub(crate) fn within_cluster(mut self, authority_file: &Path) -> Self {
        if matches!(self.proxy, Proxy::Environment) {
            self.proxy = Proxy::None;
        }
        self.add_roots_file(authority_file).only_added_roots()
    }

    /// The clients of other settings are not those of these.
    fn changed(self) -> Self {
        ConnectionSettings { clients: Arc::default(), ..self }
    }

    /// A digest of everything that is set, of files by their paths.
    pub(crate) fn digest(&self) -> SettingsDigest {
        let ConnectionSettings { roots, only_added_roots, certificate, proxy, clients: _ } = self;
        SettingsDigest::of(&(roots, only_added_roots, certificate, proxy))
    }

    /// Returns whether nothing was set.
    pub(crate) fn is_default(&self) -> bool {
        self.roots.is_empty()
            && !self.only_added_roots
            && self.certificate.is_none()
            && matches!(self.proxy, Proxy::Environment)
    }

    /// The first of the files that are read again for each fetch.
    pub(super) fn first_file(&self) -> Option<&Path> {
        let certificate = self.certificate.iter().flat_map(|(chain, key)| [chain, key]);
        self.roots.iter().chain(certificate).find_map(Pem::file)
    }

    /// Returns whether there is a certificate of the client.
    pub(crate) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// Returns whether connections go through a proxy of these settings.
    pub(crate) fn has_proxy(&self) -> bool {
        matches!(self.proxy, Proxy::Url(_))
    }
}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let url = match self {
            Proxy::Environment | Proxy::None => None,
            Proxy::Url(url) => Some(url.expose()),
        };
        (std::mem::discriminant(self), url).hash(state);
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("roots", &self.roots)
            .field("only_added_roots", &self.only_added_roots)
            .field("certificate", &self.certificate.as_ref().map(|(chain, _)| chain))
            .field("has_proxy", &self.has_proxy())
            .finish_non_exhaustive()
    }
}
