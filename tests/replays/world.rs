//! Instances of one service, and clients with proofs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::routing::get;
use countersign::clock::{Clock, UnixTime};
use countersign::key::Algorithm;
use countersign::mint::{ProofDraft, Signer};
use countersign::prelude::*;
use countersign::proof::{Dpop, ReplayStore};
use countersign_redis::{RedisReplays, RedisSettings};
use countersign_test::TestIssuer;
use countersign_tests::redis::RedisServer;
use serde_json::{Value, json};
use tower::ServiceExt;

const API: &str = "https://api.test";

/// The key in which a server that is no cluster notes since when it remembers.
pub const SINCE: &str = "countersign:replays:{0}:since";

/// What a busy machine may need for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The key of a client, with a token that is bound to it.
pub struct Client {
    signer: Signer,
    pub token: String,
}

/// An answer: its status, its code, and whether it has a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub code: String,
    pub has_challenge: bool,
}

/// An issuer, whose clock is that of the system until a test moves it.
pub struct World {
    pub issuer: TestIssuer,
}

/// One instance of the service.
pub struct Instance(Router);

impl World {
    pub fn new() -> Self {
        World { issuer: TestIssuer::with_system_clock() }
    }

    pub fn now(&self) -> u64 {
        self.issuer.clock().now().as_secs()
    }

    /// An instance with this store.
    pub fn instance(&self, store: Arc<impl ReplayStore>) -> Instance {
        Instance(app(self.issuer.verifier_for("api"), store))
    }

    /// An instance with these settings of DPoP.
    pub fn instance_with(&self, dpop: Dpop) -> Instance {
        Instance(app_with(self.issuer.verifier_for("api"), dpop))
    }

    /// A client of this name that calls for this subject.
    pub fn client(&self, name: &str, subject: &str) -> Client {
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let token = self.token(&signer, name, subject);
        Client { signer, token }
    }

    /// The same key with a token for another subject.
    pub fn for_subject(&self, client: &Client, name: &str, subject: &str) -> String {
        self.token(&client.signer, name, subject)
    }

    fn token(&self, signer: &Signer, name: &str, subject: &str) -> String {
        let draft = self.issuer.token().subject(subject).client_id(name).audience("api");
        let thumbprint = signer.verifying_key().expect("a public key").thumbprint().to_owned();
        draft.lifetime(Duration::from_secs(7200)).claim("cnf", json!({ "jkt": thumbprint })).sign()
    }
}

/// The service with this store.
pub fn app(verifier: Verifier, store: Arc<impl ReplayStore>) -> Router {
    app_with(verifier, Dpop::at(API).replay_store(store).timeout(2 * PATIENCE))
}

fn app_with(verifier: Verifier, dpop: Dpop) -> Router {
    let layer = AuthenticateLayer::builder(verifier).dpop(dpop).build();
    Router::new().route("/r", get(|| async { "in" })).layer(layer.expect("a layer"))
}

impl Client {
    /// A proof that is made at this time.
    pub fn proof(&self, at: u64) -> String {
        self.draft(&self.token, at).sign(&self.signer).expect("a proof")
    }

    /// The same with this `jti`.
    pub fn proof_named(&self, at: u64, id: &str) -> String {
        self.draft(&self.token, at).token_id(id).sign(&self.signer).expect("a proof")
    }

    /// A proof for this token of the same key.
    pub fn proof_for(&self, token: &str, at: u64) -> String {
        self.draft(token, at).sign(&self.signer).expect("a proof")
    }

    fn draft<'a>(&self, token: &'a str, at: u64) -> ProofDraft<'a> {
        ProofDraft::new("GET", "https://api.test/r", UnixTime::from_secs(at)).access_token(token)
    }
}

impl Instance {
    /// The answer to a request with this token and proof.
    pub async fn send(&self, token: &str, proof: &str) -> Answer {
        let request = Request::get("/r").header("authorization", format!("DPoP {token}")).header("dpop", proof);
        let request = request.body(Body::empty()).expect("a request");
        let response = self.0.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let has_challenge = response.headers().contains_key("www-authenticate");
        let body = to_bytes(response.into_body(), 65_536).await.expect("a body");
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        Answer { status, code: problem["code"].as_str().unwrap_or_default().to_owned(), has_challenge }
    }

    /// The same with a client's own token.
    pub async fn send_of(&self, client: &Client, proof: &str) -> Answer {
        self.send(&client.token, proof).await
    }
}

#[track_caller]
pub fn assert_accepted(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// 401 with a challenge: the proof counts no more, and a new one would.
#[track_caller]
pub fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.code.as_str(), answer.has_challenge), (401, "invalid_dpop_proof", true));
}

/// 503 without a challenge.
#[track_caller]
pub fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.code.as_str(), answer.has_challenge), (503, "proof_unavailable", false));
}

/// A store at this server, with time for a busy machine.
pub async fn connect(server: &RedisServer) -> RedisReplays {
    RedisReplays::connect(patient(RedisSettings::new(server.url()))).await.expect("a store")
}

/// The same settings with time for a busy machine.
pub fn patient(settings: RedisSettings) -> RedisSettings {
    settings.timeout(PATIENCE).connect_timeout(PATIENCE)
}

/// A server that remembers since long ago, and a store at it.
pub async fn aged() -> (RedisServer, RedisReplays) {
    let server = RedisServer::start();
    let store = connect(&server).await;
    server.remember_since_long_ago(SINCE);
    (server, store)
}
