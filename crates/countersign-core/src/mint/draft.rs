//! Drafts: tokens before they are signed.

use std::fmt;

use serde_json::{Map, Value, json};

use super::certificate::CertificateThumbprint;
use super::signer::Signer;
use crate::clock::UnixTime;
use crate::token::encode_base64url;

/// The largest token minted, in bytes: many servers take header lines of 8 KiB at most.
const MAX_MINTED_BYTES: usize = 7 * 1024;

/// Claims to sign. `iss`, `aud` and `exp` must be set; no time comes from a clock.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::{clock::UnixTime, key::Algorithm, mint::{Draft, Signer}};
///
/// let signer = Signer::generate(Algorithm::ES256)?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let token = Draft::access_token()
///     .issuer("https://id.example.com")
///     .audience("orders")
///     .subject("ann")
///     .issued_at(now)
///     .expires_at(now.saturating_add(Duration::from_secs(300)))
///     .scope("orders:read")
///     .sign(&signer)?;
/// assert_eq!(token.matches('.').count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a draft is not a token until it is signed"]
pub struct Draft {
    token_type: Option<String>,
    certificate: Option<CertificateThumbprint>,
    claims: Map<String, Value>,
}

/// The reason why a draft cannot be signed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum SignError {
    /// This claim must be set first.
    MissingClaim(&'static str),
    /// The token would be longer than 7 KiB; refer to data instead of carrying it.
    TooLarge(usize),
    /// The key could not sign.
    Signing,
    /// The key is a shared secret, which proves no possession.
    NoPublicKey,
    /// The proof would be longer than 8 KiB: the address is too long, or signatures of this algorithm are.
    ProofTooLarge(usize),
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignError::MissingClaim(name) => write!(f, "{name} is not set; every token needs iss, aud and exp"),
            SignError::TooLarge(bytes) => {
                write!(f, "the token would have {bytes} bytes, at most {MAX_MINTED_BYTES} are permitted")
            }
            SignError::Signing => f.write_str("the key could not sign"),
            SignError::NoPublicKey => {
                f.write_str("a shared secret proves no possession; use a key pair, such as ES256")
            }
            SignError::ProofTooLarge(bytes) => {
                write!(f, "the proof would have {bytes} bytes; the address or signatures of this key are too long")
            }
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), SignError>` prints a readable line.
impl fmt::Debug for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SignError {}

impl Draft {
    /// An access token (`typ: at+jwt`, RFC 9068).
    pub fn access_token() -> Self {
        Self::with_type("at+jwt")
    }

    /// A token of another type.
    pub fn with_type(token_type: impl Into<String>) -> Self {
        Draft { token_type: Some(token_type.into()), certificate: None, claims: Map::new() }
    }

    /// Names the key by its certificate (`x5t#S256`, RFC 7515 §4.1.8) in place of `kid`.
    pub fn certificate(mut self, thumbprint: CertificateThumbprint) -> Self {
        self.certificate = Some(thumbprint);
        self
    }

    /// The issuer (`iss`).
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.claim("iss", issuer.into())
    }

    /// The audience (`aud`).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.claim("aud", audience.into())
    }

    /// The subject (`sub`).
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// The client that requested the token (`client_id`).
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        self.claim("client_id", client_id.into())
    }

    /// The token ID (`jti`).
    pub fn token_id(self, id: impl Into<String>) -> Self {
        self.claim("jti", id.into())
    }

    /// The time of issue (`iat`), in whole seconds.
    pub fn issued_at(self, at: UnixTime) -> Self {
        self.claim("iat", at.as_secs())
    }

    /// The start of validity (`nbf`), in whole seconds.
    pub fn not_before(self, at: UnixTime) -> Self {
        self.claim("nbf", at.as_secs())
    }

    /// The expiry (`exp`), in whole seconds.
    pub fn expires_at(self, at: UnixTime) -> Self {
        self.claim("exp", at.as_secs())
    }

    /// The scope, separated by spaces (`scope`).
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.claim("scope", scope.into())
    }

    /// Any claim; replaces one of that name.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// The claims so far.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Signs the draft.
    ///
    /// # Errors
    /// `SignError` if `iss`, `aud` or `exp` is missing, or the token would be too large.
    pub fn sign(&self, signer: &Signer) -> Result<String, SignError> {
        for name in ["iss", "aud", "exp"] {
            if self.claims.get(name).is_none_or(Value::is_null) {
                return Err(SignError::MissingClaim(name));
            }
        }
        let (name, key) = match &self.certificate {
            Some(thumbprint) => ("x5t#S256", thumbprint.as_str()),
            None => ("kid", signer.key_id()),
        };
        let mut header = json!({ "alg": signer.algorithm().name(), name: key });
        if let Some(token_type) = &self.token_type {
            header["typ"] = json!(token_type);
        }
        let payload = Value::Object(self.claims.clone());
        let token = signer
            .sign_compact(header.to_string().as_bytes(), payload.to_string().as_bytes())
            .ok_or(SignError::Signing)?;
        if token.len() > MAX_MINTED_BYTES && !signer.algorithm().name().starts_with("ML-DSA") {
            return Err(SignError::TooLarge(token.len()));
        }
        Ok(token)
    }
}

impl Signer {
    /// Signs a header and payload without checking them: for tests of verifiers and for tools.
    ///
    /// `None` if the key cannot sign.
    #[must_use]
    pub fn sign_compact(&self, header: &[u8], payload: &[u8]) -> Option<String> {
        let mut token = format!("{}.{}", encode_base64url(header), encode_base64url(payload));
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        token.push_str(&encode_base64url(&signature));
        Some(token)
    }
}

/// Names of claims only: their values are personal.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.claims.keys().collect();
        f.debug_struct("Draft").field("token_type", &self.token_type).field("claims", &names).finish()
    }
}
