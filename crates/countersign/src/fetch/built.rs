//! The HTTP clients of connection settings, built again when a file has changed.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError};

use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::sha256;
use countersign_core::secret::Secret;
use reqwest::{Certificate, Client, ClientBuilder, Identity, NoProxy, Url};

use super::client::bounded;
use super::failure::FetchFailure;
use super::pem::Pem;
use super::reach::PublicNames;
use super::settings::{BuiltClient, ConnectionSettings, Kind, Proxy};
use crate::file;

/// The schemes of proxies.
const PROXY_SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The hosts that are called without a proxy.
const LOOPBACK: &str = "localhost, 127.0.0.0/8, ::1";

/// The PEM texts of the settings, with those of their files now.
pub(super) struct Contents {
    roots: Vec<Arc<Secret<String>>>,
    /// The chain and the key, one after the other.
    identity: Option<Secret<String>>,
}

impl ConnectionSettings {
    /// The client for this kind of address, with what the files have now.
    pub(super) async fn client(&self, kind: Kind) -> Result<Client, FetchFailure> {
        let Some(path) = self.first_file() else { return self.current_client(kind) };
        let settings = self.clone();
        let work = file::in_turn(path, move || settings.current_client(kind)).await;
        work.unwrap_or(Err(FetchFailure::Broken))
    }

    fn current_client(&self, kind: Kind) -> Result<Client, FetchFailure> {
        let not_usable =
            |fault: Fault| FetchFailure::Content(format!("the connection settings are not usable: {}", fault.problem));
        let contents = self.contents().map_err(not_usable)?;
        let digest = contents.digest();
        let mut built = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = built.iter().find(|built| built.kind == kind && built.digest == digest) {
            return Ok(same.client.clone());
        }
        let builder = self.configure(bounded(Client::builder()), kind, &contents).map_err(not_usable)?;
        let client = builder.build().map_err(|_| FetchFailure::NoClient)?;
        built.retain(|built| built.kind != kind);
        built.push(BuiltClient { kind, digest, client: client.clone() });
        Ok(client)
    }

    /// The faults of these settings. Files are read.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        if self.is_default() {
            return Vec::new();
        }
        self.applied_to(Client::builder()).and_then(build).err().into_iter().collect()
    }

    /// Applies these settings to another client.
    pub(crate) fn applied_to(&self, builder: ClientBuilder) -> Result<ClientBuilder, Fault> {
        self.check_roots()?;
        self.configure(builder, Kind::Proxied, &self.contents()?)
    }

    /// Refuses settings that trust nobody.
    pub(super) fn check_roots(&self) -> Result<(), Fault> {
        match self.only_added_roots && self.roots.is_empty() {
            true => Err(fault("only_added_roots without added roots trusts nobody; add roots")),
            false => Ok(()),
        }
    }

    pub(super) fn contents(&self) -> Result<Contents, Fault> {
        let roots = self.roots.iter().map(Pem::read).collect::<Result<_, _>>()?;
        let identity = match &self.certificate {
            Some((chain, key)) => Some(Secret::new(format!("{}\n{}\n", chain.read()?.expose(), key.read()?.expose()))),
            None => None,
        };
        Ok(Contents { roots, identity })
    }

    pub(super) fn configure(
        &self,
        builder: ClientBuilder,
        kind: Kind,
        contents: &Contents,
    ) -> Result<ClientBuilder, Fault> {
        let mut roots = Vec::new();
        for (source, pem) in self.roots.iter().zip(&contents.roots) {
            let bundle = Certificate::from_pem_bundle(pem.expose().as_bytes()).ok().filter(|bundle| !bundle.is_empty());
            let empty = || fault(format!("added roots{} have no certificate in PEM form", source.in_words()));
            roots.extend(bundle.ok_or_else(empty)?);
        }
        let builder = match self.only_added_roots {
            true => builder.tls_certs_only(roots),
            false if roots.is_empty() => builder,
            false => builder.tls_certs_merge(roots),
        };
        let builder = match (&contents.identity, &self.certificate) {
            (Some(pem), Some((chain, key))) => {
                let identity = Identity::from_pem(pem.expose().as_bytes());
                builder.identity(identity.map_err(|_| {
                    let (chain, key) = (chain.in_words(), key.in_words());
                    fault(format!("certificate{chain} or key{key} is not PEM, or one of them is missing"))
                })?)
            }
            _ => builder,
        };
        match (kind, &self.proxy) {
            (Kind::PublicOnly, Proxy::Url(_)) => Err(proxy_hides_address()),
            (Kind::PublicOnly, _) => Ok(builder.no_proxy().dns_resolver(Arc::new(PublicNames::from_system()))),
            (Kind::Direct, _) | (Kind::Proxied, Proxy::None) => Ok(builder.no_proxy()),
            (Kind::Proxied, Proxy::Environment) => Ok(builder),
            (Kind::Proxied, Proxy::Url(url)) => Ok(builder.no_proxy().proxy(proxy(url)?)),
        }
    }
}

impl Contents {
    pub(super) fn digest(&self) -> [u8; 32] {
        let parts = self.roots.iter().map(|pem| &**pem).chain(&self.identity);
        let digests: Vec<String> = parts.map(|pem| format!("{:?}", sha256(pem.expose()))).collect();
        sha256(&format!("{digests:?}{}", self.identity.is_some()))
    }
}

/// The fault of a proxy for connections that may go to public addresses only.
pub(crate) fn proxy_hides_address() -> Fault {
    fault(
        "a proxy hides the server's address, which must be checked for issuers that are resolved at run time; \
           use no proxy, or allow private addresses",
    )
}

/// The proxy. It gets no request for loopback.
fn proxy(url: &Secret<String>) -> Result<reqwest::Proxy, Fault> {
    let parsed = Url::parse(url.expose()).ok().filter(|url| PROXY_SCHEMES.contains(&url.scheme()));
    let proxy = parsed.and_then(|url| reqwest::Proxy::all(url).ok()).ok_or_else(|| {
        fault("proxy is not a URL with http, https, socks5 or socks5h; write for example http://proxy.internal:3128")
    })?;
    Ok(proxy.no_proxy(NoProxy::from_string(LOOPBACK)))
}

/// Applies these settings to a client with rules of its own.
///
/// A proxy of the settings gets no request for loopback. A proxy of the environment may get one: call `no_proxy` on the builder of
/// a client for loopback.
///
/// # Errors
/// `ConfigError` on field `connection` if the settings cannot be used, or a file of them cannot be read.
pub fn with_connection(builder: ClientBuilder, settings: &ConnectionSettings) -> Result<ClientBuilder, ConfigError> {
    settings.applied_to(builder).map_err(|fault| ConfigError::new(fault.field, fault.problem))
}

pub(super) fn build(builder: ClientBuilder) -> Result<Client, Fault> {
    builder.build().map_err(|_| fault("the TLS client cannot be built; check roots, certificate and key"))
}

fn fault(problem: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new("connection", problem)
}
