//! A signer, a host of bundles, and a service that follows it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign::bundle::{BundleDraft, BundleVerifier};
use countersign::clock::Clock;
use countersign::key::{Algorithm, KeySet, KeySource};
use countersign::mint::Signer;
use countersign::policy::Policy;
use countersign::reload::PolicyBundle;
use countersign::verify::Verifier;
use countersign_test::{TestIssuer, TokenDraft};

pub const FLEET: &str = "shop-production";

/// A key that signs bundles, and an issuer whose clock counts for all.
pub struct World {
    pub signer: Signer,
    pub issuer: TestIssuer,
    pub folder: PathBuf,
}

impl World {
    pub fn new(name: &str) -> Self {
        Self::with(name, TestIssuer::new())
    }

    /// One whose clock begins at the time of the system.
    pub fn of_now(name: &str) -> Self {
        Self::with(name, TestIssuer::with_system_clock())
    }

    fn with(name: &str, issuer: TestIssuer) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-bundles-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a writable folder");
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        World { signer, issuer, folder }
    }

    pub fn pins(&self) -> BundleVerifier {
        BundleVerifier::new(FLEET, KeySet::new([self.signer.verifying_key().expect("a key")])).expect("sound")
    }

    /// The policy of a service for this audience, with these lines about its issuer.
    pub fn policy(audience: &str, more: &str) -> Policy {
        let text = format!("[[issuers]]\nissuer = \"https://issuer.test\"\naudience = \"{audience}\"\n{more}");
        Policy::from_toml(&text).expect("a policy")
    }

    pub fn draft(&self, revision: u64, policy: Policy) -> BundleDraft {
        BundleDraft::new(FLEET, revision, policy).created_at(self.issuer.clock().now())
    }

    /// A bundle of this revision, whose policy is for this audience.
    pub fn bundle(&self, revision: u64, audience: &str) -> String {
        self.draft(revision, Self::policy(audience, "")).sign(&self.signer).expect("signed")
    }

    /// A service of that source, which pulls far less often than a test takes.
    pub fn service(&self, source: PolicyBundle) -> PolicyBundle {
        let keys = self.issuer.key_source();
        let source = source.interval(Duration::from_secs(3600)).clock(self.issuer.clock().clone());
        source.keys(move |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>))
    }

    pub fn service_of(&self, host: &Host) -> PolicyBundle {
        self.service(PolicyBundle::from_url(host.url(), self.pins()))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The content of a file.
    pub fn bundle_text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).expect("there")
    }

    /// Replaces a file by a rename.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file("new"), text).expect("writable");
        std::fs::rename(self.file("new"), self.file(name)).expect("renamed");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The code with which `verifier` refuses the token.
pub async fn code(verifier: &Verifier, draft: &TokenDraft) -> &'static str {
    verifier.verify(&draft.clone().sign()).await.err().map_or("accepted", |error| error.code())
}

/// What a host answers.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn of(body: impl Into<Bytes>) -> Self {
        Answer { status: StatusCode::OK, headers: Vec::new(), body: body.into() }
    }

    pub fn status(status: StatusCode) -> Self {
        Answer { status, ..Answer::of("") }
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Default)]
pub struct Counts {
    pub pulls: usize,
    pub not_modified: usize,
}

struct Shared {
    answer: Answer,
    counts: Counts,
}

/// An HTTP host of one bundle.
pub struct Host {
    address: std::net::SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

impl Host {
    pub async fn start(answer: Answer) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), answer).await
    }

    pub async fn start_at(address: std::net::SocketAddr, answer: Answer) -> Self {
        let shared = Arc::new(Mutex::new(Shared { answer, counts: Counts::default() }));
        let app = Router::new().fallback(respond).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        Host { address, shared, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/production.jws?key=secret", self.address)
    }

    pub fn answer(&self, answer: Answer) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).answer = answer;
    }

    /// The pulls so far, and those that were answered with 304.
    pub fn counts(&self) -> (usize, usize) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (shared.counts.pulls, shared.counts.not_modified)
    }

    /// Stops it; returns its address.
    pub async fn stop(self) -> std::net::SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.address
    }
}

async fn respond(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap) -> Response {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.counts.pulls += 1;
    let answer = shared.answer.clone();
    let etag = answer.headers.iter().find(|(name, _)| *name == header::ETAG).map(|(_, value)| value.as_bytes());
    let asked = headers.get(header::IF_NONE_MATCH).map(|value| value.as_bytes());
    if etag.is_some() && etag == asked {
        shared.counts.not_modified += 1;
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = (answer.status, answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().expect("a header"));
    }
    response
}
