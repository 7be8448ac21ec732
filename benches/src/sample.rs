//! The token that everything is measured with: 17 claims, about 1,000 bytes.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaPublicKeyComponents};
use countersign_core::integration::Step;
use countersign_core::key::{Algorithm, StaticKeys};
use countersign_core::mint::Signer;
use countersign_core::policy::{NeedsAudience, TrustedIssuer};
use countersign_core::secret::Secret;
use countersign_core::verify::{Verified, Verifier, VerifierBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The issuer of all tokens, but where many issuers are the question.
pub const ISSUER: &str = "https://id.example.com/realms/production";

/// The service that they are made for.
pub const AUDIENCE: &str = "orders";

/// The algorithms measured.
pub const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256, Algorithm::MlDsa65];

/// All 17 claims in a user's own type.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OwnClaims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub exp: u64,
    pub nbf: u64,
    pub iat: u64,
    pub jti: String,
    pub client_id: String,
    pub scope: String,
    pub auth_time: u64,
    pub acr: String,
    pub sid: String,
    pub tenant: String,
    pub roles: Vec<String>,
    pub email: String,
    pub email_verified: bool,
    pub name: String,
}

/// A key of `algorithm` to sign with.
#[must_use]
pub fn signer(algorithm: Algorithm) -> Signer {
    let signer = if algorithm.is_symmetric() {
        Signer::from_secret(Secret::new(b"7f3c19ab5e02d648b1f7a09c33de5812".to_vec()), algorithm, "k")
    } else {
        Signer::generate(algorithm)
    };
    signer.expect("a good key").with_key_id("2026-11-signing-key-1")
}

/// A token with this number in its `jti`.
#[must_use]
pub fn token(signer: &Signer, issuer: &str, number: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    token_until(signer, issuer, number, now + 3600)
}

/// A token for another audience than [`AUDIENCE`].
#[must_use]
pub fn token_for(signer: &Signer, audience: &str, number: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    token_with(signer, (ISSUER, audience), number, now + 3600, "")
}

/// A token that ends at `expires`, in seconds since 1970.
#[must_use]
pub fn token_until(signer: &Signer, issuer: &str, number: usize, expires: u64) -> String {
    token_with(signer, (issuer, AUDIENCE), number, expires, "")
}

/// A token with this number in its `jti` as its place in the status list at `uri`.
#[must_use]
pub fn listed_token(signer: &Signer, issuer: &str, number: usize, uri: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let status = format!(r#","status":{{"status_list":{{"idx":{number},"uri":"{uri}"}}}}"#);
    token_with(signer, (issuer, AUDIENCE), number, now + 3600, &status)
}

/// `more` is what the payload has besides the 17 claims: empty, or members that begin with a comma.
fn token_with(signer: &Signer, (issuer, audience): (&str, &str), number: usize, expires: u64, more: &str) -> String {
    let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, signer.algorithm(), signer.key_id());
    let issued = expires - 3600;
    let payload = format!(
        concat!(
            r#"{{"iss":"{issuer}","sub":"3f1c7a52-9d4e-4b60-8a17-5c2e90d1b3f4","aud":"{audience}","exp":{expires},"#,
            r#""nbf":{issued},"iat":{issued},"jti":"01938f2e-7c4a-7b21-9e5d-{number:012x}","client_id":"web-frontend","#,
            r#""scope":"openid profile email orders:read orders:write invoices:read","auth_time":{issued},"#,
            r#""acr":"urn:mace:incommon:iap:silver","sid":"c7b2a1d0-54e3-4f8a-b6c9-0d1e2f3a4b5c","tenant":"acme-industries","#,
            r#""roles":["manager","clerk","auditor"],"email":"ann.example@acme-industries.example","#,
            r#""email_verified":true,"name":"Ann Margarethe Example"{more}}}"#
        ),
        issuer = issuer,
        audience = audience,
        expires = expires,
        issued = issued,
        number = number,
        more = more,
    );
    signer.sign_compact(header.as_bytes(), payload.as_bytes()).expect("a token")
}

/// The policy for tokens of `issuer` signed by `signer`.
#[must_use]
pub fn trusted(signer: &Signer, issuer: &str) -> TrustedIssuer {
    trusted_for(signer, issuer, AUDIENCE)
}

/// The same for another audience than [`AUDIENCE`].
#[must_use]
pub fn trusted_for(signer: &Signer, issuer: &str, audience: &str) -> TrustedIssuer {
    let keys = StaticKeys::new([signer.verifying_key().expect("a good key")]);
    NeedsAudience::new(issuer, Arc::new(keys)).audience(audience).algorithms([signer.algorithm()])
}

/// A verifier for [`ISSUER`] with a cache of so many bytes.
#[must_use]
pub fn verifier(signer: &Signer, cache_bytes: usize) -> Verifier {
    builder(cache_bytes).trust(trusted(signer, ISSUER)).build().expect("a good policy")
}

/// The same, to add issuers.
pub fn builder(cache_bytes: usize) -> VerifierBuilder {
    Verifier::builder().cache_bytes(cache_bytes)
}

/// Verifies a token that must be good.
#[must_use]
pub fn verified(verifier: &Verifier, token: &str) -> Arc<Verified> {
    match verifier.verify_with_cached_keys(token) {
        Step::Done(Ok(verified)) => verified,
        other => panic!("a good token was not accepted: {other:?}"),
    }
}

/// The public key as a JWK Set, for the peers.
#[must_use]
pub fn jwks(signer: &Signer) -> Option<String> {
    Some(serde_json::json!({ "keys": [signer.public_jwk()?] }).to_string())
}

/// A signature check with nothing around it: prepared key, message and signature at hand.
pub struct Raw {
    key: RawKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

enum RawKey {
    Public(ParsedPublicKey),
    Secret(hmac::Key),
}

impl Raw {
    /// The check that `token` costs at the least.
    #[must_use]
    pub fn of(signer: &Signer, token: &str) -> Self {
        let (message, signature) = token.rsplit_once('.').expect("three segments");
        Raw { key: raw_key(signer), message: message.into(), signature: decode(signature) }
    }

    /// Whether the signature matches.
    #[must_use]
    pub fn check(&self) -> bool {
        match &self.key {
            RawKey::Public(key) => key.verify_sig(&self.message, &self.signature).is_ok(),
            RawKey::Secret(key) => hmac::verify(key, &self.message, &self.signature).is_ok(),
        }
    }
}

fn raw_key(signer: &Signer) -> RawKey {
    let Some(jwk) = signer.public_jwk() else {
        return RawKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, signer.private_key().expose()));
    };
    let member = |name: &str| jwk.get(name).and_then(Value::as_str).map(decode).unwrap_or_default();
    let rsa = || RsaPublicKeyComponents { n: member("n"), e: member("e") };
    let key = match signer.algorithm() {
        Algorithm::RS256 => rsa().to_parsed_public_key(&lc::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => rsa().to_parsed_public_key(&lc::RSA_PSS_2048_8192_SHA256),
        Algorithm::ES256 => {
            let point = [vec![4], member("x"), member("y")].concat();
            ParsedPublicKey::new(&lc::ECDSA_P256_SHA256_FIXED, point)
        }
        Algorithm::EdDSA => ParsedPublicKey::new(&lc::ED25519, member("x")),
        Algorithm::MlDsa65 => ParsedPublicKey::new(&lc::ML_DSA_65, member("pub")),
        other => panic!("{other} is not measured"),
    };
    RawKey::Public(key.expect("a good key"))
}

fn decode(text: &str) -> Vec<u8> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
}
