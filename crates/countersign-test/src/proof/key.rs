//! The key of a client.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::draft::TokenDraft;

/// The key of a client, for tokens that are bound to it and for its proofs. Clones are the same key.
///
/// ```
/// use axum::http::Request;
/// use countersign_test::{TestIssuer, TestKey};
///
/// let issuer = TestIssuer::new();
/// let key = TestKey::new(issuer.clock());
/// let token = issuer.token().subject("ann").audience("orders").bound_to(&key).sign();
///
/// let proof = key.proof("GET", "https://api.test/orders", &token);
/// let request = proof.on(Request::get("/orders")).body(()).unwrap();
/// assert_eq!(request.headers()["authorization"], format!("DPoP {token}"));
/// assert!(request.headers()["dpop"].to_str().unwrap().starts_with("ey"));
/// ```
#[derive(Clone)]
pub struct TestKey {
    signer: Arc<Signer>,
    clock: ManualClock,
}

impl TestKey {
    /// A new ES256 key. Its proofs are made at the time of `clock`; see [`TestIssuer::clock`](crate::TestIssuer::clock).
    ///
    /// # Panics
    /// If the system has no random numbers.
    #[must_use]
    pub fn new(clock: &ManualClock) -> Self {
        Self::with_algorithm(Algorithm::ES256, clock)
    }

    /// The same as [`new`](Self::new), with a key of another algorithm.
    ///
    /// ```
    /// use countersign_core::key::Algorithm;
    /// use countersign_test::{TestIssuer, TestKey};
    ///
    /// let key = TestKey::with_algorithm(Algorithm::Ed25519, TestIssuer::new().clock());
    /// assert_eq!(key.public_jwk()["kty"], "OKP");
    /// ```
    ///
    /// # Panics
    /// If the algorithm is symmetric: such a key proves nothing.
    #[must_use]
    pub fn with_algorithm(algorithm: Algorithm, clock: &ManualClock) -> Self {
        let signer = Signer::generate(algorithm).expect("this machine can make key pairs");
        TestKey { signer: Arc::new(signer), clock: clock.clone() }
    }

    /// The RFC 7638 thumbprint: the `cnf.jkt` of tokens that are bound to this key.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.signer.verifying_key().expect("a key pair has a public key").thumbprint().to_owned()
    }

    /// The public key as a JWK, with the members that a proof has in its header.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let mut jwk = self.signer.public_jwk().expect("a key pair has a public key");
        if let Some(members) = jwk.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "kid" | "alg" | "use"));
        }
        jwk
    }

    /// The key pair, for code under test that makes proofs of its own.
    #[must_use]
    pub fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.signer)
    }

    /// A new key of the same algorithm and clock.
    pub(crate) fn another(&self) -> Self {
        Self::with_algorithm(self.signer.algorithm(), &self.clock)
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(super) fn sign(&self, header: &str, claims: &str) -> String {
        self.signer.sign_compact(header.as_bytes(), claims.as_bytes()).expect("a generated key can sign")
    }
}

/// The thumbprint only.
impl fmt::Debug for TestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKey").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}

impl TokenDraft {
    /// Binds the token to a key (`cnf.jkt`, RFC 9449 §6.1): each request needs a proof by it.
    ///
    /// ```
    /// use countersign_test::{TestIssuer, TestKey};
    ///
    /// let issuer = TestIssuer::new();
    /// let key = TestKey::new(issuer.clock());
    /// let draft = issuer.token().bound_to(&key);
    /// assert_eq!(draft.claims()["cnf"]["jkt"], key.thumbprint());
    /// ```
    pub fn bound_to(self, key: &TestKey) -> Self {
        self.confirmed("jkt", &key.thumbprint())
    }

    /// Binds the token to a client certificate in DER (`cnf.x5t#S256`, RFC 8705 §3.1), beside a key if it has one.
    ///
    /// ```
    /// let der = b"the client's certificate";
    /// let draft = countersign_test::TestIssuer::new().token().bound_to_certificate(der);
    /// assert_eq!(draft.claims()["cnf"]["x5t#S256"], "1ccHsMy5uK_ZAuDZAOvRJ0dmTe0Meu-_zbScjiBy_N8");
    /// ```
    pub fn bound_to_certificate(self, der: &[u8]) -> Self {
        self.confirmed("x5t#S256", &URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, der)))
    }

    /// Adds a confirmation method (`cnf`, RFC 7800).
    fn confirmed(self, method: &str, value: &str) -> Self {
        let mut methods = self.claims().get("cnf").and_then(Value::as_object).cloned().unwrap_or_default();
        methods.insert(method.to_owned(), json!(value));
        self.claim("cnf", methods)
    }
}
