//! A token that is bound to a key, and proofs for it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign::authenticate::{Authenticate, AuthenticateLayer};
use countersign::proof::{Dpop, ExternalUrl, MemoryReplays, ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use countersign_core::clock::{Clock, SystemClock, UnixTime};
use countersign_core::integration::verify_presented;
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, ProofDraft, Signer};
use countersign_core::proof::{DpopProof, ProofKeys, ProofRequest, ProofRules};
use countersign_core::verify::Verified;
use http::Request;
use tower_layer::Layer;

use crate::sample::{self, AUDIENCE, ISSUER, Raw};
use crate::services::Bare;

/// The address that proofs are for.
pub const EXTERNAL_URL: &str = "https://api.example.com";

/// Says that each proof is new, so that one proof serves all calls.
#[derive(Debug)]
struct Forgetful;

impl ReplayStore for Forgetful {
    fn insert(&self, _: &ProofUse<'_>) -> ReplayQuery {
        ReplayQuery::Known(ReplayOutcome::New)
    }
}

/// A service behind a layer that takes proofs, and requests that it accepts.
pub struct Bound {
    pub service: Authenticate<Bare>,
    /// The same without a cache: each token is a new one.
    pub uncached: Authenticate<Bare>,
    /// A token that is not bound.
    pub bearer: String,
    /// A request with a bound token and its proof.
    pub with_proof: Request<()>,
    /// The check of the proof's signature.
    pub raw: Raw,
    /// The check of the signature of the bound token.
    pub raw_token: Raw,
    /// The public keys of the issuer and of the client, as JWKs.
    pub jwks: [serde_json::Value; 2],
}

impl Bound {
    /// Both tokens are signed with ES256, and so is the proof.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it generates keys")]
    pub fn new() -> Self {
        let (signer, client) = (sample::signer(Algorithm::ES256), sample::signer(Algorithm::ES256));
        let bearer = sample::token(&signer, ISSUER, 1);
        let now = SystemClock.now();
        let bound = bound_token(&signer, &client, now);
        let url = format!("{EXTERNAL_URL}/orders");
        let proof = ProofDraft::new("GET", &url, now).access_token(&bound);
        let proof = proof.sign(&client).expect("a proof");
        let layer = |cache_bytes| {
            let dpop = Dpop::at(EXTERNAL_URL).max_age(Duration::from_secs(300)).replay_store(Arc::new(Forgetful));
            let verifier = sample::verifier(&signer, cache_bytes);
            AuthenticateLayer::builder(verifier).dpop(dpop).build().expect("a layer").layer(Bare)
        };
        let with_proof =
            Request::get("/orders").header("authorization", format!("DPoP {bound}")).header("dpop", &proof);
        let with_proof = with_proof.body(()).expect("a request");
        let [raw, raw_token] = [Raw::of(&client, &proof), Raw::of(&signer, &bound)];
        let jwks = [&signer, &client].map(|signer| signer.public_jwk().expect("a key pair"));
        Bound { service: layer(1 << 20), uncached: layer(0), bearer, with_proof, raw, raw_token, jwks }
    }
}

/// A store of used proofs, and proofs for it.
#[derive(Debug)]
pub struct Records {
    store: MemoryReplays,
    client: Signer,
    token: Arc<Verified>,
    now: UnixTime,
    number: u64,
}

impl Records {
    /// A store that has room for so many proofs of one subject.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (signer, client) = (sample::signer(Algorithm::ES256), sample::signer(Algorithm::ES256));
        let token = bound_token(&signer, &client, SystemClock.now());
        let verifier = sample::verifier(&signer, 0);
        let verification = pin!(verify_presented(&verifier, &token)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(token)) = verification else { panic!("a good token was not accepted") };
        let store = MemoryReplays::new().max_proofs(most * 8); // shares leave a part to other subjects, clients and issuers
        Records { store, client, token, now: SystemClock.now(), number: 0 }
    }

    /// A new proof, whose signature nothing checks.
    pub fn proof(&mut self) -> DpopProof {
        self.number += 1;
        let external_urls = [ExternalUrl::new(EXTERNAL_URL).expect("an address")];
        let target = ProofRequest { method: "GET", external_urls: &external_urls, path: "/orders" };
        let text = unsigned_proof(&self.client, self.now, self.number);
        DpopProof::read(&text, &ProofRules::default(), &ProofKeys::new(), target, self.now).expect("of the right form")
    }

    /// Records the use of a proof, which must be a new one.
    pub fn record(&self, proof: &DpopProof) {
        let outcome = self.store.insert(&ProofUse::new(proof, &self.token, self.now));
        assert!(matches!(outcome, ReplayQuery::Known(ReplayOutcome::New)), "{outcome:?}");
    }
}

/// A token that is bound to the client's key.
fn bound_token(signer: &Signer, client: &Signer, now: UnixTime) -> String {
    let key = client.verifying_key().expect("a key pair");
    let draft = Draft::access_token().issuer(ISSUER).audience(AUDIENCE).subject("ann").client_id("web");
    let draft = draft.issued_at(now).expires_at(now.saturating_add(Duration::from_secs(3600)));
    let cnf = serde_json::json!({ "jkt": key.thumbprint() });
    draft.claim("jti", "1").claim("cnf", cnf).sign(signer).expect("a token")
}

fn unsigned_proof(client: &Signer, now: UnixTime, number: u64) -> String {
    let jwk = client.public_jwk().expect("a key pair");
    let header = serde_json::json!({
        "typ": "dpop+jwt",
        "alg": client.algorithm().name(),
        "jwk": { "kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"] },
    });
    let claims = serde_json::json!({
        "htm": "GET",
        "htu": format!("{EXTERNAL_URL}/orders"),
        "iat": now.as_secs(),
        "jti": format!("01938f2e-7c4a-7b21-9e5d-{number:012x}"),
    });
    let encode = |json: serde_json::Value| base64_simd::URL_SAFE_NO_PAD.encode_to_string(json.to_string());
    format!("{}.{}.AAAA", encode(header), encode(claims))
}
