//! One valid token, the policy that takes it, and short ways to ask what becomes of others.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use countersign::clock::{FixedClock, UnixTime};
use countersign::error::VerifyError;
use countersign::key::{Algorithm, KeySet, RefreshOutcome, StaticKeys, VerifyingKey};
use countersign::policy::{NeedsAudience, Profile, TrustedIssuer};
use countersign::verify::{Verdict, Verified, Verifier, VerifierBuilder};
use countersign_core::integration::Step;
use countersign_core::mint::Signer;
use serde_json::{Map, Value, json};

/// The time at which tokens are judged, in seconds since 1970.
pub const T: u64 = 1_700_000_000;

pub const ISSUER: &str = "https://issuer.test";
pub const AUDIENCE: &str = "https://api.test";

/// What a token that is accepted is coded as.
pub const OK: &str = "ok";

/// The issuer's keys: `k1` on P-256, `r1` RSA of 2048 bits, `e1` on Ed25519.
pub struct Keys {
    pub k1: Signer,
    pub r1: Signer,
    pub e1: Signer,
}

pub fn keys() -> &'static Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
        k1: new_key(Algorithm::ES256, "k1"),
        r1: new_key(Algorithm::RS256, "r1"),
        e1: new_key(Algorithm::Ed25519, "e1"),
    });
    &KEYS
}

pub fn new_key(algorithm: Algorithm, key_id: &str) -> Signer {
    Signer::generate(algorithm).expect("this machine can make keys").with_key_id(key_id)
}

pub fn public(signer: &Signer) -> VerifyingKey {
    signer.verifying_key().expect("a key of ours checks")
}

/// The fixture's policy: RFC 9068, the algorithms of the three keys, a leeway of 60 s.
pub fn policy() -> TrustedIssuer {
    let Keys { k1, r1, e1 } = keys();
    policy_over([public(k1), public(r1), public(e1)])
}

pub fn policy_over(keys: impl IntoIterator<Item = VerifyingKey>) -> TrustedIssuer {
    policy_of(KeySet::new(keys))
}

pub fn policy_of(set: KeySet) -> TrustedIssuer {
    NeedsAudience::new(ISSUER, Arc::new(StaticKeys::from_set(set)))
        .audience(AUDIENCE)
        .algorithms([Algorithm::ES256, Algorithm::RS256, Algorithm::Ed25519])
        .profile(Profile::AccessToken)
        .leeway(Duration::from_secs(60))
}

/// A verifier whose clock stands at [`T`], with nothing remembered between tokens.
pub fn verifier(policy: TrustedIssuer) -> Verifier {
    built(builder_at(T).trust(policy))
}

pub fn verifier_at(now: u64, policy: TrustedIssuer) -> Verifier {
    built(builder_at(now).trust(policy))
}

pub fn builder_at(now: u64) -> VerifierBuilder {
    Verifier::builder().clock(Arc::new(FixedClock::new(UnixTime::from_secs(now)))).cache_bytes(0)
}

pub fn built(builder: VerifierBuilder) -> Verifier {
    builder.build().unwrap_or_else(|faults| panic!("not a policy: {faults}"))
}

/// A token to be: the valid one until something is changed.
#[derive(Clone)]
pub struct Token {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

pub fn valid() -> Token {
    let object = |value: Value| value.as_object().cloned().expect("an object");
    Token {
        header: object(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" })),
        claims: object(json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1",
            "iat": T - 10, "exp": T + 290, "jti": "j1", "scope": "read write",
        })),
    }
}

impl Token {
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    pub fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    pub fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// Signed by `k1`, whatever the header says.
    pub fn sign(&self) -> String {
        self.sign_with(&keys().k1)
    }

    /// Signed by this key, whatever the header says.
    pub fn sign_with(&self, signer: &Signer) -> String {
        sign_text_with(signer, self.header_json(), self.claims_json())
    }

    /// Signed by this key, and saying so.
    pub fn by(self, signer: &Signer) -> String {
        self.header("alg", signer.algorithm().name()).header("kid", signer.key_id()).sign_with(signer)
    }
}

/// Signs this very text with `k1`.
pub fn sign_text(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_text_with(&keys().k1, header, payload)
}

pub fn sign_text_with(signer: &Signer, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    signer.sign_compact(header.as_ref(), payload.as_ref()).expect("a key of ours signs")
}

/// Header, payload and signature as they stand.
pub fn segments(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().expect("three segments")
}

/// The token with other signature bytes.
pub fn with_signature(token: &str, signature: &[u8]) -> String {
    let [header, payload, _] = segments(token);
    format!("{header}.{payload}.{}", encode(signature))
}

pub fn signature_of(token: &str) -> Vec<u8> {
    decode(&segments(token)[2])
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes.as_ref())
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
}

/// What the verifier makes of a token; its keys never change, so that looking again finds nothing new.
///
/// The report on the same token must come to the same verdict: it is the same pipeline.
pub fn judge(verifier: &Verifier, token: &str) -> Result<Arc<Verified>, VerifyError> {
    let result = judge_alone(verifier, token);
    let explained = explained_code(verifier, token);
    assert_eq!(result.as_ref().map_or_else(|refused| refused.code(), |_| OK), explained, "the report differs");
    result
}

/// The same without the report, where very many tokens are tried.
pub fn judge_alone(verifier: &Verifier, token: &str) -> Result<Arc<Verified>, VerifyError> {
    match verifier.verify_with_cached_keys(token) {
        Step::Done(result) => result,
        Step::NeedsKeys(_) => verifier.verify_after_refresh(token, &RefreshOutcome::Refreshed),
    }
}

/// The verdict of the report; the sources of these tests answer at once.
fn explained_code(verifier: &Verifier, token: &str) -> &'static str {
    let mut report = pin!(verifier.explain(token));
    match report.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(report) => match report.verdict {
            Verdict::Accepted => OK,
            Verdict::Rejected { code, .. } | Verdict::Undecided { code, .. } => code,
            other => panic!("a verdict of another kind: {other:?}"),
        },
        Poll::Pending => panic!("a source that waits"),
    }
}

/// The code of a refusal, or [`OK`].
pub fn code(verifier: &Verifier, token: &str) -> &'static str {
    judge(verifier, token).map_or_else(|refused| refused.code(), |_| OK)
}

/// The same without the report.
pub fn code_alone(verifier: &Verifier, token: &str) -> &'static str {
    judge_alone(verifier, token).map_or_else(|refused| refused.code(), |_| OK)
}

/// The code by the fixture's own policy.
pub fn code_of(token: &str) -> &'static str {
    static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier(policy()));
    code(&VERIFIER, token)
}

/// The fields that a policy is faulty in, empty where it can serve.
pub fn faulty_fields(policy: TrustedIssuer) -> Vec<String> {
    match builder_at(T).trust(policy).build() {
        Ok(_) => Vec::new(),
        Err(faults) => faults.faults().iter().map(|fault| fault.field.clone().into_owned()).collect(),
    }
}
