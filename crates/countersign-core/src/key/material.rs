//! Verification keys, parsed once by aws-lc-rs when they are loaded.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use zeroize::Zeroize;

use super::jwk::{JwkFields, PublicFields};
use super::rejected::{KeyRejected, KeyRejectedKind as Kind};
use super::thumbprint::thumbprint;
use crate::algorithm::Algorithm;
use crate::secret::Secret;

/// A key that checks signatures of exactly one algorithm.
pub struct VerifyingKey {
    label: Arc<KeyLabel>,
    algorithm: Algorithm,
    material: Material,
    /// Deviations from the RFCs in the form of the JWK.
    irregularities: Box<[&'static str]>,
    /// Present if an RSA key has no `alg`: the same key for the algorithms that a policy may name for it.
    unlabelled: Option<Box<Relabelled>>,
}

/// The name, algorithm and thumbprint of a key. Verified tokens have it instead of the key, whose memory ends with its set.
#[derive(Debug)]
pub(crate) struct KeyLabel {
    key_id: Option<Box<str>>,
    algorithm: Algorithm,
    thumbprint: Box<str>,
}

impl KeyLabel {
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether it is a key of tests or of development, by its ID.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.key_id().is_some_and(|key_id| key_id.starts_with("test-only-"))
    }

    /// Returns whether both are labels of the same public key for the same algorithm. Shared secrets cannot be compared.
    pub(crate) fn is_same_key(&self, other: &Self) -> bool {
        let is_public = !self.algorithm.is_symmetric();
        is_public && self.algorithm == other.algorithm && self.thumbprint == other.thumbprint
    }
}

/// An RSA key prepared for the algorithms of [`Algorithm::RSA`], each on first use.
type Relabelled = [OnceLock<Option<Arc<VerifyingKey>>>; Algorithm::RSA.len()];

/// The prepared key itself.
enum Material {
    Public(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
}

/// The memory of a prepared key besides its numbers: its structures, and what the allocator adds.
const PREPARED_OVERHEAD: usize = 768;

impl VerifyingKey {
    /// Reads one public JWK (RFC 7517). A key without `alg` gets its curve's algorithm, RS256 if it is an RSA key.
    ///
    /// # Errors
    /// `KeyRejected` for keys that are weak, private, symmetric, for another purpose, or malformed.
    ///
    /// ```
    /// use countersign_core::key::{Algorithm, VerifyingKey};
    ///
    /// let key = VerifyingKey::from_jwk(
    ///     r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    /// )?;
    /// assert_eq!(key.algorithm(), Algorithm::Ed25519);
    /// # Ok::<(), countersign_core::key::KeyRejected>(())
    /// ```
    pub fn from_jwk(json: &str) -> Result<Self, KeyRejected> {
        let fields: JwkFields = serde_json::from_str(json).map_err(|_| {
            KeyRejected::new(Kind::Malformed, "not a JWK: no object, a duplicate member or a wrong type")
        })?;
        Self::from_fields(&fields)
    }

    /// Reads a public key in `SubjectPublicKeyInfo` form (PEM, `BEGIN PUBLIC KEY`) for one algorithm.
    ///
    /// # Errors
    /// `KeyRejected` if the PEM or the key in it does not fit `algorithm`.
    pub fn from_public_pem(pem: &str, algorithm: Algorithm, key_id: Option<&str>) -> Result<Self, KeyRejected> {
        let not_pem = KeyRejected::new(Kind::Malformed, "not a PEM public key (BEGIN PUBLIC KEY)");
        let der = super::pem::decode(pem, "PUBLIC KEY").ok_or(not_pem)?;
        Self::from_public_der(&der, algorithm, key_id)
    }

    /// Reads a public key in `SubjectPublicKeyInfo` form (DER) for one algorithm.
    ///
    /// # Errors
    /// `KeyRejected` if the key does not fit `algorithm`, or `algorithm` is symmetric.
    pub fn from_public_der(der: &[u8], algorithm: Algorithm, key_id: Option<&str>) -> Result<Self, KeyRejected> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let reject = |_| KeyRejected::new(Kind::WrongAlgorithm, "the key does not fit the algorithm");
        let parsed = ParsedPublicKey::new(parameters(algorithm)?, der)
            .map_err(|_| KeyRejected::new(Kind::WrongAlgorithm, "the key does not fit the algorithm"))?;
        let spki: PublicKeyX509Der<'_> = parsed.as_der().map_err(reject)?;
        let fields = PublicFields::from_spki(spki.as_ref(), algorithm)?;
        fields.check_strength()?;
        Self::from_public(&fields, algorithm, key_id)
    }

    /// A shared secret for an HMAC algorithm. Anyone who can verify with it can also forge: prefer a key pair.
    ///
    /// # Errors
    /// `KeyRejected` if it is shorter than the hash (RFC 7518 §3.2), or looks like a public or private key.
    pub fn from_secret(
        secret: &Secret<Vec<u8>>,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> Result<Self, KeyRejected> {
        let bytes = secret.expose();
        let (hmac_algorithm, least) = match algorithm {
            Algorithm::HS256 => (hmac::HMAC_SHA256, 32),
            Algorithm::HS384 => (hmac::HMAC_SHA384, 48),
            Algorithm::HS512 => (hmac::HMAC_SHA512, 64),
            _ => return Err(KeyRejected::new(Kind::WrongAlgorithm, "a shared secret fits only HMAC algorithms")),
        };
        if bytes.len() < least {
            return Err(KeyRejected::new(
                Kind::Weak,
                "the secret is shorter than the algorithm's hash (RFC 7518 §3.2)",
            ));
        }
        if looks_like_a_key(bytes) {
            return Err(KeyRejected::new(
                Kind::Weak,
                "the secret looks like a public or private key, which permits HMAC confusion",
            ));
        }
        Ok(VerifyingKey {
            // A digest of a secret would invite guessing.
            label: Arc::new(KeyLabel { key_id: key_id.map(Into::into), algorithm, thumbprint: "hmac".into() }),
            algorithm,
            material: Material::Hmac(Box::new(hmac::Key::new(hmac_algorithm, bytes))),
            irregularities: Box::default(),
            unlabelled: None,
        })
    }

    /// Returns whether it is a key of tests or of development, by its ID.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.label.is_for_tests()
    }

    /// Its name and algorithm.
    pub(crate) fn label(&self) -> &Arc<KeyLabel> {
        &self.label
    }

    /// The `kid`, if it has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.label.key_id()
    }

    /// The one algorithm that this key checks.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The JWK thumbprint with SHA-256 (RFC 7638), base64url; the word `hmac` for a shared secret.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.label.thumbprint
    }

    /// Deviations from the RFCs in the form of its JWK that do not change the key: leading zero octets, stripped ones, `=`.
    ///
    /// The key is used, and its [`thumbprint`](Self::thumbprint) is that of the correct form.
    ///
    /// ```
    /// use countersign_core::key::VerifyingKey;
    ///
    /// let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}"#;
    /// let key = VerifyingKey::from_jwk(jwk)?;
    /// assert_eq!(key.irregularities(), ["a number is padded with = (RFC 7515 §2)"]);
    /// # Ok::<(), countersign_core::key::KeyRejected>(())
    /// ```
    #[must_use]
    pub fn irregularities(&self) -> &[&'static str] {
        &self.irregularities
    }

    /// The public key as `SubjectPublicKeyInfo` (DER), as [`from_public_der`](Self::from_public_der) reads it; `None` for
    /// a shared secret.
    #[must_use]
    pub fn to_public_der(&self) -> Option<Vec<u8>> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let Material::Public(public) = &self.material else { return None };
        let spki: PublicKeyX509Der<'_> = public.as_der().ok()?;
        Some(spki.as_ref().to_vec())
    }

    /// The public key as a JWK (RFC 7517) with `use`, and with `alg` unless the original had none, as
    /// [`from_jwk`](Self::from_jwk) reads it; `None` for a shared secret.
    ///
    /// ```
    /// use countersign_core::key::VerifyingKey;
    ///
    /// let jwk = r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let key = VerifyingKey::from_jwk(jwk)?;
    /// assert_eq!(key.to_public_jwk().unwrap()["alg"], "Ed25519");
    /// # Ok::<(), countersign_core::key::KeyRejected>(())
    /// ```
    #[must_use]
    pub fn to_public_jwk(&self) -> Option<serde_json::Value> {
        let der = self.to_public_der()?;
        let mut jwk = PublicFields::from_spki(&der, self.algorithm).ok()?.to_jwk(self.algorithm, self.key_id());
        if self.is_unlabelled() {
            jwk.as_object_mut()?.remove("alg");
        }
        Some(jwk)
    }

    /// The approximate memory that the key takes, with that of its prepared form outside of Rust's allocator.
    pub(super) fn memory_bytes(&self) -> usize {
        let prepared = match &self.material {
            Material::Public(public) => {
                let encoded = public.as_ref().len();
                // An RSA key holds its modulus, and two numbers of that size once it was used.
                encoded * if Algorithm::RSA.contains(&self.algorithm) { 4 } else { 2 } + PREPARED_OVERHEAD
            }
            Material::Hmac(_) => size_of::<hmac::Key>(),
        };
        let relabelled = self.unlabelled.iter().flat_map(|relabelled| relabelled.iter());
        let relabelled = relabelled.map(|key| {
            size_of::<Option<Arc<Self>>>() * 2 + key.get().and_then(Option::as_ref).map_or(0, |key| key.memory_bytes())
        });
        size_of::<Self>()
            + size_of::<KeyLabel>()
            + self.key_id().map_or(0, str::len)
            + self.label.thumbprint.len()
            + size_of_val(&*self.irregularities)
            + prepared
            + relabelled.sum::<usize>()
    }

    /// Returns whether `signature` is this key's over `message`. MACs are compared in full and in constant time.
    pub(crate) fn checks(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(public) => public.verify_sig(message, signature).is_ok(),
            Material::Hmac(secret) => hmac::verify(secret, message, signature).is_ok(),
        }
    }

    pub(crate) fn from_fields(fields: &JwkFields) -> Result<Self, KeyRejected> {
        fields.check_purpose()?;
        Self::from_checked_fields(fields)
    }

    /// The key of fields whose purpose was checked.
    pub(crate) fn from_checked_fields(fields: &JwkFields) -> Result<Self, KeyRejected> {
        let (public, algorithm) = fields.public()?;
        public.check_strength()?;
        let mut key = Self::from_public(&public, algorithm, fields.key_id())?;
        key.irregularities = fields.irregularities().into();
        key.unlabelled = fields.is_unlabelled_rsa().then(Box::default);
        Ok(key)
    }

    /// The key under a policy that reads RSA keys without `alg` as keys of `unlabelled_rsa`.
    pub(crate) fn read_as(self: &Arc<Self>, unlabelled_rsa: Algorithm) -> Option<&Arc<Self>> {
        let Some(relabelled) = self.unlabelled.as_ref().filter(|_| unlabelled_rsa != self.algorithm) else {
            return Some(self);
        };
        let index = Algorithm::RSA.iter().position(|algorithm| *algorithm == unlabelled_rsa)?;
        let prepare =
            || Self::from_public_der(&self.to_public_der()?, unlabelled_rsa, self.key_id()).ok().map(Arc::new);
        relabelled[index].get_or_init(prepare).as_ref()
    }

    /// Returns whether it is an RSA key whose JWK names no `alg`.
    pub(crate) fn is_unlabelled(&self) -> bool {
        self.unlabelled.is_some()
    }

    pub(crate) fn from_public(
        public: &PublicFields,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> Result<Self, KeyRejected> {
        let not_a_point = |_| KeyRejected::new(Kind::Malformed, "the numbers are not a valid public key");
        let parsed = match public {
            PublicFields::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa_parameters(algorithm)?).map_err(not_a_point)?
            }
            PublicFields::Ec { x, y, .. } => {
                let point = [&[0x04], &x[..], &y[..]].concat();
                ParsedPublicKey::new(parameters(algorithm)?, point).map_err(not_a_point)?
            }
            PublicFields::Okp { x } | PublicFields::Akp { public: x } => {
                ParsedPublicKey::new(parameters(algorithm)?, x).map_err(not_a_point)?
            }
        };
        let thumbprint = thumbprint(public, algorithm).into();
        Ok(VerifyingKey {
            label: Arc::new(KeyLabel { key_id: key_id.map(Into::into), algorithm, thumbprint }),
            algorithm,
            material: Material::Public(parsed),
            irregularities: Box::default(),
            unlabelled: None,
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("key_id", &self.label.key_id)
            .field("algorithm", &self.algorithm)
            .field("thumbprint", &self.label.thumbprint)
            .finish_non_exhaustive()
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Result<&'static RsaParameters, KeyRejected> {
    Ok(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return Err(KeyRejected::new(Kind::WrongAlgorithm, "alg does not fit an RSA key")),
    })
}

fn parameters(algorithm: Algorithm) -> Result<&'static dyn VerificationAlgorithm, KeyRejected> {
    Ok(match algorithm {
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::ES512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::Ed25519 | Algorithm::EdDSA => &ED25519,
        Algorithm::MlDsa44 => &signature::ML_DSA_44,
        Algorithm::MlDsa65 => &signature::ML_DSA_65,
        Algorithm::MlDsa87 => &signature::ML_DSA_87,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            return Err(KeyRejected::new(
                Kind::WrongAlgorithm,
                "a public key cannot be used with a symmetric algorithm",
            ));
        }
        rsa => return rsa_parameters(rsa).map(|parameters| parameters as &dyn VerificationAlgorithm),
    })
}

/// Returns whether `bytes` hold asymmetric key material anywhere near their start (CVE-2026-34950, CVE-2026-48526).
fn looks_like_a_key(bytes: &[u8]) -> bool {
    const MARKS: [&str; 8] =
        ["-----BEGIN", "ssh-rsa", "ssh-ed25519", "ecdsa-sha2-", "\"kty\"", "\"keys\"", "PuTTY-User-Key", "-----END"];
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let marked = MARKS.iter().any(|mark| text.contains(mark));
    text.zeroize();
    let is_der = matches!(bytes, [0x30, 0x81..=0x84, ..])
        || matches!(bytes, [0x30, length, ..] if usize::from(*length) + 2 == bytes.len());
    marked || is_der
}
