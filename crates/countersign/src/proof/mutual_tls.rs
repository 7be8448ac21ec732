//! Tokens that are bound to a certificate: of the TLS connection, or from a proxy that ended it.

use countersign_core::error::Fault;
use countersign_core::key::Thumbprint;
use countersign_core::proof::PeerCertificate;
#[cfg(feature = "axum")]
use countersign_core::proof::VerifiedCertificate;
use http::Request;

#[cfg(feature = "axum")]
use super::forwarded::{ProxyHeader, TrustedProxies};
#[cfg(feature = "axum")]
use super::peer::TlsPeer;

/// Accepts tokens that are bound to a certificate (`cnf.x5t#S256`, RFC 8705 §3), from clients with this certificate; for
/// [`AuthenticateLayerBuilder::mutual_tls`](crate::authenticate::AuthenticateLayerBuilder::mutual_tls).
///
/// Tokens that are not bound are accepted as before, with and without a certificate.
///
/// ```
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
/// use countersign::proof::MutualTls;
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     AuthenticateLayer::builder(verifier).mutual_tls(MutualTls::of_connection()).build()
/// }
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MutualTls(Source);

#[derive(Clone, Debug)]
enum Source {
    Connection,
    /// A statement about a proxy, without one.
    #[cfg(feature = "axum")]
    Misstated,
    #[cfg(feature = "axum")]
    Proxy {
        header: ProxyHeader,
        peers: Vec<String>,
        trusted: TrustedProxies,
        verifies_chains: bool,
    },
}

impl MutualTls {
    /// Takes the certificate of the connection: [`PeerCertificate`] in the request's extensions, or that of `countersign::tls`.
    pub fn of_connection() -> Self {
        MutualTls(Source::Connection)
    }

    /// Takes the certificate from the header `Client-Cert` (RFC 9440), but only in requests of these proxies: addresses or
    /// networks, such as `10.0.0.5` or `10.1.0.0/16`.
    ///
    /// The header is removed from all other requests. The proxies must remove it from requests of their clients, as RFC 9440 says.
    /// Serve the app with `into_make_service_with_connect_info::<SocketAddr>()`: without the address of its peer, a request is
    /// one of an untrusted peer.
    ///
    /// ```
    /// use countersign::proof::MutualTls;
    ///
    /// let mutual_tls = MutualTls::from_proxies(["10.0.0.5", "10.1.0.0/16"]);
    /// # let _ = mutual_tls;
    /// ```
    #[cfg(feature = "axum")]
    pub fn from_proxies(peers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::from_header(ProxyHeader::ClientCert, peers)
    }

    /// The same for Envoy's header `X-Forwarded-Client-Cert`, of which `Hash` is read. Let Envoy write it with
    /// `forward_client_cert_details: SANITIZE_SET`: a header with the certificates of several connections is 400.
    ///
    /// ```
    /// use countersign::proof::MutualTls;
    ///
    /// let mutual_tls = MutualTls::from_envoy(["127.0.0.1"]);
    /// # let _ = mutual_tls;
    /// ```
    #[cfg(feature = "axum")]
    pub fn from_envoy(peers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::from_header(ProxyHeader::Envoy, peers)
    }

    #[cfg(feature = "axum")]
    fn from_header(header: ProxyHeader, peers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let peers: Vec<String> = peers.into_iter().map(Into::into).collect();
        let trusted = TrustedProxies::new(&peers);
        MutualTls(Source::Proxy { header, peers, trusted, verifies_chains: false })
    }

    /// States that the [proxies](Self::from_proxies) forward a certificate only after they have verified its chain up to an authority
    /// that you configured there, such as HAProxy with `verify optional` and `ca-file`, and without `crt-ignore-err`. Default: they
    /// state only that the client has the key.
    ///
    /// The names in the certificate then authenticate clients of an issuer (`tls_client_auth`, RFC 8705 §2.1). If the proxy accepts
    /// self-signed certificates after all, everybody can be every client.
    ///
    /// Connections need no such statement, since the acceptor itself knows: see [`VerifiedCertificate`]. The header of Envoy is not
    /// supported, because it has only the hash.
    ///
    /// ```
    /// use countersign::proof::MutualTls;
    ///
    /// let mutual_tls = MutualTls::from_proxies(["10.0.0.5"]).verified_by_proxy();
    /// # let _ = mutual_tls;
    /// ```
    #[cfg(feature = "axum")]
    pub fn verified_by_proxy(mut self) -> Self {
        match &mut self.0 {
            Source::Proxy { verifies_chains, .. } => *verifies_chains = true,
            Source::Connection | Source::Misstated => self.0 = Source::Misstated,
        }
        self
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        match &self.0 {
            Source::Connection => Vec::new(),
            #[cfg(feature = "axum")]
            Source::Misstated => vec![Fault::new(
                "verified_by_proxy",
                "the certificate is that of the connection, whose acceptor states whether it was verified; remove it",
            )],
            #[cfg(feature = "axum")]
            Source::Proxy { header, peers, verifies_chains, .. } => {
                let mut faults = TrustedProxies::faults(peers);
                if *verifies_chains && !header.has_names() {
                    let problem = "the header of Envoy has only the hash of a certificate, and no name; remove it";
                    faults.push(Fault::new("verified_by_proxy", problem));
                }
                faults
            }
        }
    }

    /// The certificate of a request if its chain was verified. Call it before [`take`](Self::take).
    #[cfg(feature = "axum")]
    pub(crate) fn verified<B>(&self, request: &Request<B>) -> Option<VerifiedCertificate> {
        let extensions = request.extensions();
        match &self.0 {
            Source::Connection => {
                let inserted = extensions.get::<VerifiedCertificate>();
                let of_peer = || extensions.get::<axum::extract::ConnectInfo<TlsPeer>>()?.0.verified_certificate();
                inserted.or_else(of_peer).cloned()
            }
            Source::Proxy { header, trusted, verifies_chains: true, .. } if trusted.sent(request) => {
                header.read_der(request.headers()).map(|der| VerifiedCertificate::from_verified_der(&der))
            }
            Source::Proxy { .. } | Source::Misstated => None,
        }
    }

    /// Takes the certificate of a request. Headers that others than the proxies sent, or that the proxies do not write, are removed.
    ///
    /// # Errors
    /// The reason why the header of a proxy cannot be read.
    #[inline(never)] // apart from the code of each request
    pub(crate) fn take<B>(&self, request: &mut Request<B>) -> Result<Option<Thumbprint>, &'static str> {
        match &self.0 {
            Source::Connection => {
                #[cfg(feature = "axum")]
                ProxyHeader::remove_all(request.headers_mut());
                Ok(certificate_of_connection(request))
            }
            #[cfg(feature = "axum")]
            Source::Misstated => Ok(None), // a fault, which no layer is built with
            #[cfg(feature = "axum")]
            Source::Proxy { header, trusted, .. } => {
                if trusted.sent(request) {
                    header.remove_others(request.headers_mut());
                    return header.read(request.headers());
                }
                ProxyHeader::remove_all(request.headers_mut());
                Ok(None)
            }
        }
    }
}

fn certificate_of_connection<B>(request: &Request<B>) -> Option<Thumbprint> {
    let extensions = request.extensions();
    if let Some(certificate) = extensions.get::<PeerCertificate>() {
        return Some(certificate.thumbprint());
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(peer)) = extensions.get::<axum::extract::ConnectInfo<TlsPeer>>() {
        return peer.certificate().map(|certificate| certificate.thumbprint());
    }
    None
}
