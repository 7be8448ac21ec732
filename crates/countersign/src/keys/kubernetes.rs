//! Keys of the Kubernetes cluster that a pod runs in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeySet, KeySource, KeySourceInfo, MAX_JWKS_BYTES, RefreshFuture, RefreshReason, SettingsDigest,
    SourceContext,
};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::Request;

use super::file::read_bounded;
use super::http_location::read_set;
use super::location::{KeyDocument, KeyLocation, KeyRequest};
use super::refreshing::RefreshingKeys;
use super::snapshot::KeySnapshot;
use crate::fetch::{self, ConnectionSettings, FetchFailure, Reach};
use crate::file;
use crate::refresh::{FetchFuture, Fetched, RefreshPolicy};

/// The path of the keys for service account tokens on an API server.
const PATH: &str = "/openid/v1/jwks";

/// The file in every pod with the certificate of its cluster's authority.
const AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// The file in every pod with its own token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The failure for a pod whose own token is not accepted.
const REFUSED_TOKEN: &str = "status 401: the API server does not accept the token in the pod's file; it must be a token for the \
                             API server itself, of a pod that exists, by a key that the API server still knows";

/// The failure in a cluster that removed the binding which every cluster has by default.
const NO_PERMISSION: &str = "status 403: the pod's service account may not read the keys; bind the cluster role \
                             system:service-account-issuer-discovery to it";

/// The largest token file, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Keys for the service account tokens of a Kubernetes cluster, from its API server (`/openid/v1/jwks`).
///
/// The connection trusts only the certificate authority in the pod's `ca.crt`, and requests carry the pod's token. Both
/// files are read again for each fetch, because the cluster replaces them at run time. The token is sent nowhere else. By
/// default, clusters let every service account read these keys. If yours does not, give the pod's service account the cluster
/// role `system:service-account-issuer-discovery`. In a policy file, these keys are `keys = "kubernetes"`.
///
/// The issuer's name is the cluster's own; `kubectl get --raw /.well-known/openid-configuration` shows it.
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
#[derive(Debug)]
pub struct KubernetesKeys(RefreshingKeys<ClusterLocation>);

impl KubernetesKeys {
    /// The keys of the cluster that this process runs in, from its environment (`KUBERNETES_SERVICE_HOST` and `_PORT`) and
    /// the files in every pod.
    #[must_use]
    pub fn from_cluster() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"));
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        // Outside a cluster both are missing. The address is then empty, which is reported when the verifier is built.
        let server = if host.is_empty() { String::new() } else { format!("https://{host}:{port}") };
        Self::from_server(server, AUTHORITY, TOKEN)
    }

    /// The keys of the API server at this `https` address. `authority_file` has the certificates to trust (PEM), and
    /// `token_file` the token to send.
    pub fn from_server(
        server: impl Into<String>,
        authority_file: impl Into<PathBuf>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        let authority_file = authority_file.into();
        let location = ClusterLocation {
            address: format!("{}{PATH}", server.into().trim_end_matches('/')),
            connection: Mutex::new(Connection::new(ConnectionSettings::new(), &authority_file)),
            authority_file,
            token_file: token_file.into(),
        };
        KubernetesKeys(RefreshingKeys::new(location, RefreshPolicy::default()))
    }

    /// The settings of the connections to the API server. Their roots are trusted besides the cluster's authority, those of
    /// the system never. Without a proxy in the settings none is used, whatever the environment says.
    #[must_use]
    pub fn connection(self, settings: ConnectionSettings) -> Self {
        let location = &self.0.location;
        let connection = Connection::new(settings, &location.authority_file);
        *location.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
        self
    }

    /// Sets lifetimes and pauses other than the defaults; impossible ones are reported when the verifier is built.
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.0.policy = policy;
        self
    }

    /// Starts with the keys of an earlier run, so that a cold start need not wait for the first fetch.
    #[must_use]
    pub fn initial_snapshot(mut self, snapshot: KeySnapshot) -> Self {
        self.0.initial_snapshot = Some(snapshot);
        self
    }

    /// The current keys, for the next start; `None` before the first fetch.
    #[must_use]
    pub fn snapshot(&self) -> Option<KeySnapshot> {
        self.0.snapshot()
    }
}

impl KeySource for KubernetesKeys {
    fn cell(&self) -> &KeyCell {
        self.0.cell()
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        self.0.refresh(reason, None)
    }

    fn refresh_for_key<'a>(&'a self, key_id: Option<&'a str>) -> RefreshFuture<'a> {
        self.0.refresh(RefreshReason::MissingKey, key_id)
    }

    fn record_use(&self) {
        self.0.record_use();
    }

    fn describe(&self) -> KeySourceInfo {
        self.0.describe()
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        self.0.attach(context)
    }

    fn detach(&self) {
        self.0.detach();
    }
}

struct ClusterLocation {
    address: String,
    authority_file: PathBuf,
    token_file: PathBuf,
    connection: Mutex<Connection>,
}

#[derive(Clone)]
struct Connection {
    /// The operator's settings.
    stated: ConnectionSettings,
    /// The same, with the cluster's authority.
    effective: ConnectionSettings,
}

impl Connection {
    fn new(stated: ConnectionSettings, authority_file: &Path) -> Self {
        Connection { effective: stated.clone().within_cluster(authority_file), stated }
    }
}

impl ClusterLocation {
    fn connection(&self) -> Connection {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn request(&self) -> Result<Request, FetchFailure> {
        let address = fetch::checked_url(&self.address, "keys")
            .map_err(|_| FetchFailure::Unusable("the address of the API server is not usable"))?;
        let mut request = Request::new(Method::GET, address);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(header::AUTHORIZATION, bearer(&self.token_file)?);
        Ok(request)
    }
}

/// The header with the token in this file.
fn bearer(file: &Path) -> Result<HeaderValue, FetchFailure> {
    const NO_TOKEN: FetchFailure = FetchFailure::Unusable("the pod's token file has no token");
    let token = String::from_utf8(read_bounded(file, MAX_FILE_BYTES)?).map_err(|_| NO_TOKEN)?;
    let token = token.trim();
    if token.is_empty() {
        return Err(NO_TOKEN);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| NO_TOKEN)?;
    value.set_sensitive(true);
    Ok(value)
}

impl KeyLocation for ClusterLocation {
    fn name(&self) -> &str {
        &self.address
    }

    fn origin(&self) -> String {
        format!("cluster keys at {}", self.address)
    }

    fn settings(&self) -> SettingsDigest {
        SettingsDigest::of(&(self.connection().stated.digest(), &self.authority_file, &self.token_file))
    }

    fn host(&self) -> Option<String> {
        let (_, rest) = self.address.split_once("://")?;
        rest.split('/').next().map(str::to_owned)
    }

    fn fetch(self: Arc<Self>, request: KeyRequest) -> FetchFuture<KeySet, FetchFailure> {
        let had_keys = request.current.is_some();
        Box::pin(async move {
            let settings = self.connection().effective;
            let path = self.token_file.clone();
            let prepared = file::in_turn(&path, move || self.request()).await;
            let request = prepared.unwrap_or(Err(FetchFailure::Broken))?;
            let response = fetch::send_within(&settings, Reach::Anywhere, request, MAX_JWKS_BYTES).await?;
            match response.status {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED => return Err(FetchFailure::Unusable(REFUSED_TOKEN)),
                StatusCode::FORBIDDEN => return Err(FetchFailure::Unusable(NO_PERMISSION)),
                StatusCode::GONE if had_keys => return Err(FetchFailure::NoKeys),
                _ => return Err(response.unexpected_status()),
            }
            Ok(Fetched { value: read_set(&response, KeyDocument::JwkSet)?, lifetime: response.fresh_for() })
        })
    }

    fn fault(&self) -> Option<Fault> {
        let is_usable = self.address.starts_with("https://") && fetch::checked_url(&self.address, "keys").is_ok();
        if !is_usable {
            return Some(Fault::new(
                "keys",
                "the cluster's API server has no https address; outside a cluster, name it with `from_server`",
            ));
        }
        self.connection().stated.faults().into_iter().next() // the pod's own files may come later
    }
}
