//! Tokens that are bound to a key, with a proof for each request: CONFORMANCE S6.

mod form;
mod layer;
mod uses;

use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use countersign::authz::proof_of_possession;
use countersign::clock::Clock;
use countersign::prelude::*;
use countersign::proof::{Dpop, ExternalUrl};
use countersign::verify::Outcome;
use countersign_core::integration::{ExplainedRequest, explain_proof};
use countersign_core::proof::{ProofRequest, ProofRules};
use countersign_test::{TestIssuer, TestKey, TestProof};
use countersign_tests::http::{Answer, Service};
use countersign_tests::proofs::{with_claims, with_header};
use serde_json::Value;

use crate::app::{good, who};

/// An issuer, the key of a client, a token that is bound to it, and a service that takes proofs.
struct World {
    issuer: TestIssuer,
    key: TestKey,
    token: String,
    service: Service,
    verifier: Verifier,
    has_defaults: bool,
}

const API: &str = "https://api.test";

/// The address of most requests.
const R: &str = "https://api.test/r";

impl World {
    async fn new() -> Self {
        World { has_defaults: true, ..Self::with(Dpop::at(API)).await }
    }

    async fn with(dpop: Dpop) -> Self {
        let issuer = TestIssuer::new();
        let verifier = issuer.verifier_for("api");
        let layer = AuthenticateLayer::builder(verifier.clone()).dpop(dpop).build().expect("a layer");
        let router = Router::new()
            .route("/", any(who))
            .route("/r", any(who))
            .route("/r/x", any(who))
            .route("/bound", get(who).layer(require(proof_of_possession())))
            .route("/scoped", get(who).layer(require(scope("admin"))))
            .layer(layer);
        let service = Service::start(router).await;
        let key = TestKey::new(issuer.clock());
        let token = bound(&issuer, &key);
        World { issuer, key, token, service, verifier, has_defaults: false }
    }

    fn now(&self) -> u64 {
        self.issuer.clock().now().as_secs()
    }

    fn other_key(&self) -> TestKey {
        TestKey::new(self.issuer.clock())
    }

    /// A good proof for `GET /r`.
    fn draft(&self) -> TestProof {
        self.key.proof("GET", R, &self.token)
    }

    /// A good proof with these claims changed; `null` removes one.
    fn proof(&self, changes: Value) -> String {
        with_claims(self.draft(), &changes).sign()
    }

    /// A good proof with these members of its header changed.
    fn proof_with_header(&self, changes: Value) -> String {
        with_header(self.draft(), &changes).sign()
    }

    async fn send(&self, line: &str, token: &str, proofs: &[&str]) -> Answer {
        let authorization = format!("Authorization: DPoP {token}");
        let proofs: Vec<String> = proofs.iter().map(|proof| format!("DPoP: {proof}")).collect();
        let mut headers = vec![authorization.as_str()];
        headers.extend(proofs.iter().map(String::as_str));
        self.service.request(line, &headers).await
    }

    async fn get(&self, proof: &str) -> Answer {
        let answer = self.send("GET /r", &self.token, &[proof]).await;
        if self.has_defaults {
            self.assert_explained(proof, &answer);
        }
        answer
    }

    /// Tools name the same reason as the log of the layer, except for a proof that was used before.
    fn assert_explained(&self, proof: &str, answer: &Answer) {
        let urls = [ExternalUrl::new(API).expect("an address")];
        let request = ProofRequest { method: "GET", external_urls: &urls, path: "/r" };
        let now = self.issuer.clock().now();
        let request = ExplainedRequest { request, token: Some(&self.token), nonce: None, now };
        let (report, _) = explain_proof(proof, &ProofRules::default(), &request);
        match report.verdict.code() {
            None => {
                assert!(answer.status == 200 || ["invalid_dpop_proof", "proof_unavailable"].contains(&&*answer.code()))
            }
            Some("proof_mismatch") => assert_eq!(answer.code(), "token_invalid", "{report}"),
            Some(code) => {
                assert!(code.starts_with("proof_"), "{report}");
                assert_eq!(answer.code(), "invalid_dpop_proof", "{report}");
            }
        }
        assert_eq!(
            report.is_accepted(),
            report.checks.iter().all(|check| check.outcome == Outcome::Passed),
            "{report}"
        );
    }

    /// The answer to `GET /r` with a proof of these changed claims.
    async fn with_claims(&self, changes: Value) -> Answer {
        self.get(&self.proof(changes)).await
    }
}

fn hash(token: &str) -> String {
    use base64_simd::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.encode_to_string(countersign_core::integration::sha256(token))
}

fn bound(issuer: &TestIssuer, key: &TestKey) -> String {
    good(issuer).lifetime(Duration::from_secs(7200)).bound_to(key).sign()
}

#[track_caller]
fn assert_ok(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, "u1"), "{answer:?}");
}

/// 401-PROOF: one challenge, of the scheme `DPoP`.
#[track_caller]
fn assert_bad_proof(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_dpop_proof"), "{answer:?}");
    let challenges = challenges(answer);
    assert!(
        matches!(&challenges[..], [only] if only.starts_with("DPoP realm=\"api\", error=\"invalid_dpop_proof\"")
        && only.contains("algs=\"")),
        "{challenges:?}"
    );
}

/// 401-TOK whose first challenge is of this scheme.
#[track_caller]
fn assert_bad_token(answer: &Answer, scheme: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{answer:?}");
    let start = format!("{scheme} realm=\"api\", error=\"invalid_token\"");
    assert!(challenges(answer)[0].starts_with(&start), "{answer:?}");
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let all = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
    all.map(|(_, value)| value.as_str()).collect()
}
