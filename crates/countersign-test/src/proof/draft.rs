//! A draft of one proof.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::integration::sha256;
use serde_json::{Map, Value, json};

use super::key::TestKey;
use crate::request::BearerAuth;

/// A draft of one proof, right for its request until a test changes it.
///
/// ```
/// use std::time::Duration;
/// use countersign_test::{TestIssuer, TestKey};
///
/// let issuer = TestIssuer::new();
/// let [key, thief] = [(); 2].map(|()| TestKey::new(issuer.clock()));
/// let token = issuer.token().audience("orders").bound_to(&key).sign();
///
/// let proof = key.proof("GET", "https://api.test/orders", &token);
/// let wrong = [
///     proof.clone().age(Duration::from_secs(61)),
///     proof.clone().method("POST"),
///     proof.clone().address("https://api.test/stock"),
///     proof.clone().for_token("another-token"),
///     proof.clone().nonce("made-up"),
///     proof.clone().without_claim("jti"),
///     proof.clone().header("typ", "JWT"),
///     proof.clone().signed_by(&thief),
/// ];
/// assert!(wrong.iter().all(|wrong| wrong.sign() != proof.sign()));
/// ```
#[derive(Clone)]
#[must_use = "a proof proves nothing until it is signed"]
pub struct TestProof {
    /// The key of the header.
    key: TestKey,
    signer: TestKey,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    token: Option<String>,
}

impl TestKey {
    /// A proof for a request with this method, address and token.
    pub fn proof(&self, method: &str, url: &str, token: &str) -> TestProof {
        self.proof_without_token(method, url).for_token(token)
    }

    /// A proof for a request without a token, such as one to a token endpoint.
    ///
    /// ```
    /// use countersign_test::{TestIssuer, TestKey};
    ///
    /// let key = TestKey::new(TestIssuer::new().clock());
    /// let proof = key.proof_without_token("POST", "https://issuer.test/token");
    /// assert!(!proof.claims().contains_key("ath"));
    /// ```
    pub fn proof_without_token(&self, method: &str, url: &str) -> TestProof {
        TestProof::new(self, method, url)
    }
}

impl TestProof {
    pub(super) fn new(key: &TestKey, method: &str, url: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let id = format!("test-proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let proof =
            TestProof { key: key.clone(), signer: key.clone(), header: Map::new(), claims: Map::new(), token: None };
        proof
            .header("typ", "dpop+jwt")
            .header("alg", key.signer().algorithm().name())
            .header("jwk", key.public_jwk())
            .claim("jti", id)
            .claim("iat", key.now().as_secs())
            .method(method)
            .address(url.split(['?', '#']).next().unwrap_or_default())
    }

    /// The age: made this long before now (`iat`).
    pub fn age(self, age: Duration) -> Self {
        let at = self.signer.now().saturating_sub(age).as_secs();
        self.claim("iat", at)
    }

    /// Made by a clock that is this far ahead (`iat`).
    pub fn ahead(self, by: Duration) -> Self {
        let at = self.signer.now().saturating_add(by).as_secs();
        self.claim("iat", at)
    }

    /// The identifier (`jti`); by default, each proof has its own.
    pub fn id(self, id: impl Into<String>) -> Self {
        self.claim("jti", id.into())
    }

    /// The method (`htm`).
    pub fn method(self, method: impl Into<String>) -> Self {
        self.claim("htm", method.into())
    }

    /// The address (`htu`), as it is given.
    pub fn address(self, url: impl Into<String>) -> Self {
        self.claim("htu", url.into())
    }

    /// The token whose hash the proof contains (`ath`). [`on`](Self::on) sends the first one.
    pub fn for_token(mut self, token: &str) -> Self {
        self.token.get_or_insert_with(|| token.to_owned());
        self.claim("ath", URL_SAFE_NO_PAD.encode_to_string(sha256(token)))
    }

    /// The nonce of the service (RFC 9449 §9).
    pub fn nonce(self, nonce: impl Into<String>) -> Self {
        self.claim("nonce", nonce.into())
    }

    /// Signs with another key. The header keeps the first one (`jwk`), and so the signature does not match.
    pub fn signed_by(mut self, other: &TestKey) -> Self {
        self.signer = other.clone();
        self
    }

    /// Any claim, in place of one with this name.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Omits a claim.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Any header member, in place of one with this name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Omits a header member.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// The key of the proof.
    pub(crate) const fn key(&self) -> &TestKey {
        &self.key
    }

    /// A new proof by `key` for the same request, with the same nonce and without a token.
    pub(crate) fn renewed(&self, key: &TestKey) -> Self {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str);
        let proof = TestProof::new(key, text("htm").unwrap_or_default(), text("htu").unwrap_or_default());
        match text("nonce") {
            Some(nonce) => proof.nonce(nonce),
            None => proof,
        }
    }

    /// The claims so far.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The proof: the value of the header `DPoP`. Signing again gives the same `jti`, which a service refuses.
    #[must_use]
    pub fn sign(&self) -> String {
        self.signer.sign(&json!(self.header).to_string(), &json!(self.claims).to_string())
    }

    /// Signs the proof and attaches it to a request, with its token: `Authorization: DPoP …` and `DPoP: …`.
    ///
    /// ```
    /// use axum::http::Request;
    /// use countersign_test::{TestIssuer, TestKey};
    ///
    /// let issuer = TestIssuer::new();
    /// let key = TestKey::new(issuer.clock());
    /// let token = issuer.token().audience("orders").bound_to(&key).sign();
    /// let request = key.proof("GET", "https://api.test/orders", &token).on(Request::get("/orders"));
    /// assert!(request.body(()).unwrap().headers().contains_key("dpop"));
    /// ```
    ///
    /// # Panics
    /// If the proof has no token.
    #[must_use]
    pub fn on<R: BearerAuth>(&self, request: R) -> R {
        let token = self.token.as_deref().expect("a token; see `TestKey::proof`");
        request.dpop_auth(token, &self.sign())
    }
}

/// Names only: the address and the token may contain secrets.
impl fmt::Debug for TestProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.claims.keys().collect();
        f.debug_struct("TestProof").field("claims", &names).finish_non_exhaustive()
    }
}
