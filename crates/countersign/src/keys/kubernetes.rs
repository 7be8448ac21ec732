//! The keys of the Kubernetes cluster that a pod runs in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeySource, KeySourceInfo, MAX_JWKS_BYTES, RefreshFuture, RefreshReason, SourceContext,
};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Certificate, Client, Request};

use super::file::read_bounded;
use super::kept::{Ask, KeptKeys, KeyPlace};
use super::place::read_set;
use crate::fetch::{self, FetchFailure};
use crate::refresh::{FetchFuture, Fresh, RefreshPolicy};

/// Where a cluster's API server has the keys of its service account tokens.
const PATH: &str = "/openid/v1/jwks";

/// Where a pod finds the certificate of its cluster's authority.
const AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Where a pod finds its own token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The largest file of certificates or token read, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The keys that a Kubernetes cluster signs service account tokens with, from its API server (`/openid/v1/jwks`).
///
/// The server is believed by the certificate authority in the pod's `ca.crt` alone, and is shown the pod's token; both
/// files are read anew at each fetch, for the cluster replaces them under us. The token goes nowhere else. Clusters let
/// every service account read these keys (role `system:service-account-issuer-discovery`).
///
/// The issuer's name is the cluster's own (`kubectl get --raw /.well-known/openid-configuration` tells it).
///
/// ```
/// use std::sync::Arc;
/// use countersign::issuers::Preset;
/// use countersign::keys::KubernetesKeys;
///
/// let keys = Arc::new(KubernetesKeys::from_cluster());
/// let issuer = Preset::KUBERNETES.issuer("https://kubernetes.default.svc.cluster.local").keys(keys).audience("orders");
/// # let _ = issuer;
/// ```
pub struct KubernetesKeys {
    place: Arc<ClusterPlace>,
    kept: KeptKeys,
}

impl KubernetesKeys {
    /// The keys of the cluster that this process runs in, as its environment tells (`KUBERNETES_SERVICE_HOST` and `_PORT`)
    /// and with the files that every pod is given.
    #[must_use]
    pub fn from_cluster() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"));
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        // Outside a cluster both are missing: no address, which is refused when the verifier is built.
        let server = if host.is_empty() { String::new() } else { format!("https://{host}:{port}") };
        Self::from_server(server, AUTHORITY, TOKEN)
    }

    /// The keys of the API server at this `https` address, believed by the certificates in `authority_file` (PEM) and shown
    /// the token in `token_file`.
    pub fn from_server(
        server: impl Into<String>,
        authority_file: impl Into<PathBuf>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        let place = ClusterPlace {
            address: format!("{}{PATH}", server.into().trim_end_matches('/')),
            authority_file: authority_file.into(),
            token_file: token_file.into(),
            client: Mutex::default(),
        };
        KubernetesKeys { place: Arc::new(place), kept: KeptKeys::new(RefreshPolicy::default()) }
    }

    /// Fetches by other numbers than the defaults; senseless ones are refused when the verifier is built.
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.kept.policy = policy;
        self
    }

    /// Counts ages on this clock; it must be the verifier's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.kept.clock = clock.into();
        self
    }
}

impl KeySource for KubernetesKeys {
    fn cell(&self) -> &KeyCell {
        self.kept.cell()
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(self.kept.refresh(&self.place, reason))
    }

    fn describe(&self) -> KeySourceInfo {
        self.kept.describe(format!("cluster keys at {}", self.place.address))
    }

    /// Private addresses are always allowed: the address is the operator's.
    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let mut faults = self.kept.attach(context);
        if !self.place.address.starts_with("https://") || fetch::checked_url(&self.place.address, "keys").is_err() {
            faults.push(Fault::new(
                "keys",
                "the cluster's API server has no https address; outside a cluster, name it by `from_server`",
            ));
        }
        faults
    }
}

impl fmt::Debug for KubernetesKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesKeys")
            .field("address", &self.place.address)
            .field("cell", self.kept.cell())
            .finish_non_exhaustive()
    }
}

struct ClusterPlace {
    address: String,
    authority_file: PathBuf,
    token_file: PathBuf,
    /// The client, and the certificates that it believes.
    client: Mutex<Option<(Vec<u8>, Client)>>,
}

impl ClusterPlace {
    /// The client that believes what the file of certificates now says.
    fn client(&self) -> Result<Client, FetchFailure> {
        let certificates = read_bounded(&self.authority_file, MAX_FILE_BYTES)?;
        let mut made = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, client)) = &*made
            && *same == certificates
        {
            return Ok(client.clone());
        }
        let authority = Certificate::from_pem_bundle(&certificates)
            .ok()
            .filter(|authority| !authority.is_empty())
            .ok_or(FetchFailure::Unusable("the file of the cluster's authority holds no certificate"))?;
        let client = fetch::bounded(Client::builder()).no_proxy().tls_certs_only(authority);
        let client = client.build().map_err(|_| FetchFailure::NoClient)?;
        *made = Some((certificates, client.clone()));
        Ok(client)
    }

    fn request(&self) -> Result<Request, FetchFailure> {
        let address = fetch::checked_url(&self.address, "keys")
            .map_err(|_| FetchFailure::Unusable("the API server's address is not usable"))?;
        let mut request = Request::new(Method::GET, address);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(header::AUTHORIZATION, bearer(&self.token_file)?);
        Ok(request)
    }
}

/// The header that shows the token in this file.
fn bearer(file: &Path) -> Result<HeaderValue, FetchFailure> {
    const NO_TOKEN: FetchFailure = FetchFailure::Unusable("the pod's token file holds no token");
    let token = String::from_utf8(read_bounded(file, MAX_FILE_BYTES)?).map_err(|_| NO_TOKEN)?;
    let token = token.trim();
    if token.is_empty() {
        return Err(NO_TOKEN);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| NO_TOKEN)?;
    value.set_sensitive(true);
    Ok(value)
}

impl KeyPlace for ClusterPlace {
    fn name(&self) -> &str {
        &self.address
    }

    fn fetch(self: Arc<Self>, _: Ask) -> FetchFuture<countersign_core::key::KeySet, FetchFailure> {
        Box::pin(async move {
            let prepared = tokio::task::spawn_blocking(move || Ok((self.client()?, self.request()?))).await;
            let (client, request) = prepared.unwrap_or(Err(FetchFailure::Broken))?;
            let answer = fetch::send_by(&client, request, MAX_JWKS_BYTES).await?;
            if answer.status != StatusCode::OK {
                return Err(answer.unexpected_status());
            }
            Ok(Fresh { value: read_set(&answer)?, life: answer.life() })
        })
    }
}
