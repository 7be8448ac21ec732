//! The recipes of hostile requests, each made from a token and a proof that would be accepted.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use axum::http::{HeaderValue, header};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::ProofAttack;
use crate::draft::TokenDraft;
use crate::proof::TestProof;
use crate::request::BearerAuth;

/// An hour, beyond the time for which any service accepts a proof.
const FAR: Duration = Duration::from_secs(3600);

/// The credentials of a hostile request.
///
/// ```
/// use countersign_test::{ProofAttack, TestIssuer, TestKey};
///
/// let issuer = TestIssuer::new();
/// let proof = TestKey::new(issuer.clock()).proof_without_token("GET", "https://api.test/orders");
/// let hostile = proof.hostile(ProofAttack::TwoProofs, &issuer.token().audience("orders"));
/// assert!(hostile.authorization().starts_with("DPoP ey"));
/// assert_eq!((hostile.proofs().len(), hostile.is_replay()), (2, false));
/// ```
#[derive(Clone)]
#[must_use]
pub struct HostileRequest {
    attack: ProofAttack,
    authorization: String,
    proofs: Vec<String>,
}

impl HostileRequest {
    /// The value of the header `Authorization`.
    #[must_use]
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// The values of the headers `DPoP`, one header for each.
    #[must_use]
    pub fn proofs(&self) -> &[String] {
        &self.proofs
    }

    /// Returns whether the request is to be sent twice: a service accepts it once, and refuses the repetition.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.attack == ProofAttack::ProofReplayed
    }

    /// Attaches the credentials to a request, in place of any others.
    #[must_use]
    pub fn on<R: BearerAuth>(&self, mut request: R) -> R {
        if let Some(headers) = request.headers() {
            let value = |text: &str| HeaderValue::from_str(text).expect("a credential fits a header");
            headers.insert(header::AUTHORIZATION, value(&self.authorization));
            headers.remove("dpop");
            for proof in &self.proofs {
                headers.append("dpop", value(proof));
            }
        }
        request
    }
}

/// Without token and proofs.
impl fmt::Debug for HostileRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostileRequest").field("attack", &self.attack.name()).finish_non_exhaustive()
    }
}

impl TestProof {
    /// The credentials of a hostile request to the method and address of this proof, by its key. `honest` is the draft of a token
    /// that would be accepted. [`ProofAttack`] shows the loop over all attacks.
    pub fn hostile(&self, attack: ProofAttack, honest: &TokenDraft) -> HostileRequest {
        let case = Case { template: self, honest, bound: honest.clone().bound_to(self.key()).sign() };
        let (authorization, proofs) = case.request(attack);
        HostileRequest { attack, authorization, proofs }
    }
}

struct Case<'c> {
    template: &'c TestProof,
    honest: &'c TokenDraft,
    /// The honest token, bound to the key of the proof.
    bound: String,
}

type Credentials = (String, Vec<String>);

impl Case<'_> {
    fn request(&self, attack: ProofAttack) -> Credentials {
        self.presented(attack)
            .or_else(|| self.forged(attack))
            .or_else(|| self.of_another_request(attack))
            .unwrap_or_else(|| self.confirmed(attack))
    }

    /// Good proofs, presented wrongly.
    fn presented(&self, attack: ProofAttack) -> Option<Credentials> {
        let dpop = |proofs: Vec<String>| (format!("DPoP {}", self.bound), proofs);
        let bearer = |proofs: Vec<String>| (format!("Bearer {}", self.bound), proofs);
        let good = || self.proof().sign();
        Some(match attack {
            ProofAttack::BoundAsBearer => bearer(Vec::new()),
            ProofAttack::BoundAsBearerWithProof => bearer(vec![good()]),
            ProofAttack::UnboundWithProof => self.with_token(&self.honest.sign()),
            ProofAttack::NoProof => dpop(Vec::new()),
            ProofAttack::EmptyProof => dpop(vec![String::new()]),
            ProofAttack::TwoProofs => dpop(vec![good(), good()]),
            ProofAttack::JoinedProofs => dpop(vec![format!("{}, {}", good(), good())]),
            ProofAttack::TokenAsProof => dpop(vec![self.bound.clone()]),
            ProofAttack::ProofReplayed => dpop(vec![good()]),
            _ => return None,
        })
    }

    /// Proofs with a wrong header, key or signature.
    fn forged(&self, attack: ProofAttack) -> Option<Credentials> {
        let with_header = |name: &str, value: Value| self.with(&self.proof().header(name, value));
        let jwk = || self.template.key().public_jwk();
        Some(match attack {
            ProofAttack::OversizeProof => self.with(&self.proof().claim("padding", "x".repeat(8 * 1024))),
            ProofAttack::ProofTypJwt => with_header("typ", json!("JWT")),
            ProofAttack::ProofTypMissing => self.with(&self.proof().without_header("typ")),
            ProofAttack::ProofAlgNone => {
                let unsigned = self.proof().header("alg", "none").sign();
                let (signed, _) = unsigned.rsplit_once('.').unwrap_or_default();
                (format!("DPoP {}", self.bound), vec![format!("{signed}.")])
            }
            ProofAttack::ProofHmac => self.by_shared_secret(),
            ProofAttack::ProofCrit => with_header("crit", json!(["https://attacker.test/extension"])),
            ProofAttack::ProofJwkMissing => self.with(&self.proof().without_header("jwk")),
            ProofAttack::ProofJku => {
                let proof = self.proof().without_header("jwk").header("kid", self.template.key().thumbprint());
                self.with(&proof.header("jku", "https://attacker.test/keys"))
            }
            ProofAttack::ProofPrivateKey => {
                let mut private = jwk();
                private["d"] = json!(URL_SAFE_NO_PAD.encode_to_string([7; 32]));
                with_header("jwk", private)
            }
            ProofAttack::ProofOfAnotherKey => {
                let thief = self.template.key().another();
                self.with(&self.template.renewed(&thief).for_token(&self.bound))
            }
            ProofAttack::ProofSignedByAnotherKey => self.with(&self.proof().signed_by(&self.template.key().another())),
            _ => return None,
        })
    }

    /// Genuine proofs of another request, time or token.
    fn of_another_request(&self, attack: ProofAttack) -> Option<Credentials> {
        let proof = || self.proof();
        let claim = |name: &str| self.template.claims().get(name).and_then(Value::as_str).unwrap_or_default();
        let (method, url) = (claim("htm"), claim("htu"));
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        Some(self.with(&match attack {
            ProofAttack::ProofOld => proof().age(FAR),
            ProofAttack::ProofInFuture => proof().ahead(FAR),
            ProofAttack::ProofTimeless => proof().without_claim("iat"),
            ProofAttack::ProofWithoutId => proof().without_claim("jti"),
            ProofAttack::ProofWrongMethod => proof().method(if method == "PATCH" { "GET" } else { "PATCH" }),
            ProofAttack::ProofMethodLowerCase => proof().method(method.to_ascii_lowercase()),
            ProofAttack::ProofWrongHost => proof().address(format!("{scheme}://attacker.test{path}")),
            ProofAttack::ProofWrongPath => proof().address(format!("{scheme}://{authority}{path}/other")),
            ProofAttack::ProofWrongPort => proof().address(format!("{scheme}://{host}:9{path}")),
            ProofAttack::ProofRelativeAddress => proof().address(path),
            ProofAttack::ProofOfAnotherToken => {
                proof().for_token(&self.honest.clone().claim("jti", "another").bound_to(self.template.key()).sign())
            }
            ProofAttack::ProofWithoutToken => proof().without_claim("ath"),
            _ => return None,
        }))
    }

    /// Tokens whose `cnf` names no method that a service checks, with good proofs.
    fn confirmed(&self, attack: ProofAttack) -> Credentials {
        let thumbprint = self.template.key().thumbprint();
        let cnf = match attack {
            ProofAttack::ConfirmationEmpty => json!({}),
            ProofAttack::ConfirmationUnknown => json!({ "kid": thumbprint }),
            ProofAttack::ConfirmationUrl => json!({ "jku": "https://attacker.test/keys" }),
            ProofAttack::ConfirmationNull => Value::Null,
            ProofAttack::ConfirmationText => json!(thumbprint),
            ProofAttack::ConfirmationList => json!({ "jkt": [thumbprint] }),
            other => panic!("{} has no recipe", other.name()),
        };
        self.with_token(&self.honest.clone().claim("cnf", cnf).sign())
    }

    /// A proof of the honest request, with its own `jti` and time.
    fn proof(&self) -> TestProof {
        self.template.renewed(self.template.key()).for_token(&self.bound)
    }

    /// The bound token with this proof.
    fn with(&self, proof: &TestProof) -> Credentials {
        (format!("DPoP {}", self.bound), vec![proof.sign()])
    }

    /// A token with a good proof for it.
    fn with_token(&self, token: &str) -> Credentials {
        let proof = self.template.renewed(self.template.key()).for_token(token);
        (format!("DPoP {token}"), vec![proof.sign()])
    }

    fn by_shared_secret(&self) -> Credentials {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
        let (secret, k) = ([7; 32], encode(&[7; 32]));
        // RFC 7638 §3.2: the required members of the key, in this order.
        let thumbprint = encode(digest(&SHA256, format!(r#"{{"k":"{k}","kty":"oct"}}"#).as_bytes()).as_ref());
        let token = self.honest.clone().claim("cnf", json!({ "jkt": thumbprint })).sign();
        let proof = self.template.renewed(self.template.key()).for_token(&token);
        let header = json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": { "kty": "oct", "k": k } }).to_string();
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(json!(proof.claims()).to_string().as_bytes()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        (format!("DPoP {token}"), vec![format!("{signed}.{}", encode(mac.as_ref()))])
    }
}
