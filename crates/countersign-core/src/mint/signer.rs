//! Private keys, parsed once, that sign with exactly one algorithm.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING,
    PqdsaKeyPair, PqdsaSigningAlgorithm, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use crate::key::{Algorithm, KeyRejected, KeyRejectedKind as Kind, PublicFields, VerifyingKey, decode_pem};
use crate::secret::Secret;
use crate::token::encode_base64url;

/// A private key with its algorithm and `kid`, by default its RFC 7638 thumbprint.
///
/// It is parsed once; the crate `jsonwebtoken` parses an RSA key again for every signature.
pub struct Signer {
    pair: Pair,
    algorithm: Algorithm,
    key_id: Box<str>,
    public: Option<PublicFields>,
    pkcs8: Secret<Vec<u8>>,
    /// The encoded header of its proofs, once there is one.
    proof_header: OnceLock<Box<str>>,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Hmac(Box<hmac::Key>),
}

const GENERATION: KeyRejected = KeyRejected::new(Kind::Unusable, "the key could not be generated");
const NOT_PKCS8: KeyRejected = KeyRejected::new(Kind::Malformed, "not a PKCS#8 private key that fits the algorithm");

impl Signer {
    /// Generates a key; RSA keys have 2048 bits.
    ///
    /// # Errors
    /// `KeyRejected` for symmetric algorithms: for their secret, see [`from_secret`](Self::from_secret).
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyRejected> {
        let fail = |_| GENERATION;
        let pkcs8 = if let Some(encoding) = rsa_encoding(algorithm) {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(fail)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(fail)?;
            let _ = encoding;
            der.as_ref().to_vec()
        } else if let Some(curve) = ec_algorithm(algorithm) {
            EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).map_err(fail)?.as_ref().to_vec()
        } else if let Some(parameters) = ml_dsa_algorithm(algorithm) {
            PqdsaKeyPair::generate(parameters).map_err(fail)?.to_pkcs8v1().map_err(fail)?.as_ref().to_vec()
        } else if matches!(algorithm, Algorithm::Ed25519 | Algorithm::EdDSA) {
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(fail)?.as_ref().to_vec()
        } else {
            return Err(KeyRejected::new(Kind::WrongAlgorithm, "a shared secret cannot be generated; use from_secret"));
        };
        Self::from_pkcs8_der(Secret::new(pkcs8), algorithm)
    }

    /// Reads a PKCS#8 private key (DER).
    ///
    /// # Errors
    /// `KeyRejected` if it does not fit `algorithm`, or its two halves do not match.
    pub fn from_pkcs8_der(pkcs8: Secret<Vec<u8>>, algorithm: Algorithm) -> Result<Self, KeyRejected> {
        let der = pkcs8.expose();
        let (pair, public) = if let Some(encoding) = rsa_encoding(algorithm) {
            let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| NOT_PKCS8)?;
            let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            (Pair::Rsa(pair, encoding), PublicFields::Rsa { n, e })
        } else if let Some(curve) = ec_algorithm(algorithm) {
            let pair = EcdsaKeyPair::from_pkcs8(curve, der).map_err(|_| NOT_PKCS8)?;
            let public = PublicFields::from_spki(pair.public_key().as_ref(), algorithm)?;
            (Pair::Ec(pair), public)
        } else if let Some(parameters) = ml_dsa_algorithm(algorithm) {
            let pair = PqdsaKeyPair::from_pkcs8(parameters, der).map_err(|_| NOT_PKCS8)?;
            let public = PublicFields::Akp { public: pair.public_key().as_ref().to_vec() };
            (Pair::MlDsa(pair), public)
        } else if matches!(algorithm, Algorithm::Ed25519 | Algorithm::EdDSA) {
            let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| NOT_PKCS8)?;
            let public = PublicFields::Okp { x: pair.public_key().as_ref().to_vec() };
            (Pair::Ed(pair), public)
        } else {
            return Err(KeyRejected::new(
                Kind::WrongAlgorithm,
                "a PKCS#8 key cannot be used with a symmetric algorithm",
            ));
        };
        let key_id = crate::key::thumbprint(&public, algorithm).into();
        public.check_strength()?;
        let proof_header = OnceLock::new();
        Self { pair, algorithm, key_id, public: Some(public), pkcs8, proof_header }.self_tested()
    }

    /// Reads a PKCS#8 private key (PEM, `BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// As [`from_pkcs8_der`](Self::from_pkcs8_der), and if the text is not such a PEM.
    pub fn from_pkcs8_pem(pem: &Secret<String>, algorithm: Algorithm) -> Result<Self, KeyRejected> {
        let not_pem = KeyRejected::new(Kind::Malformed, "not a PEM private key in PKCS#8 (BEGIN PRIVATE KEY)");
        let der = decode_pem(pem.expose(), "PRIVATE KEY").ok_or(not_pem)?;
        Self::from_pkcs8_der(Secret::new(der), algorithm)
    }

    /// A shared secret for an HMAC algorithm.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_secret`].
    pub fn from_secret(
        secret: Secret<Vec<u8>>,
        algorithm: Algorithm,
        key_id: impl Into<String>,
    ) -> Result<Self, KeyRejected> {
        VerifyingKey::from_secret(&secret, algorithm, None)?;
        let hmac_algorithm = match algorithm {
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let pair = Pair::Hmac(Box::new(hmac::Key::new(hmac_algorithm, secret.expose())));
        let (key_id, proof_header) = (key_id.into().into(), OnceLock::new());
        Ok(Self { pair, algorithm, key_id, public: None, pkcs8: secret, proof_header })
    }

    /// Replaces the `kid`.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = key_id.into().into();
        self
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public half as a JWK with `kid`, `alg` and `use`; `None` for a shared secret, which is never published.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        Some(self.public.as_ref()?.to_jwk(self.algorithm, Some(self.key_id())))
    }

    /// The key that verifies signatures of this one.
    ///
    /// # Errors
    /// None for a key that this type accepted.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyRejected> {
        match self.public_jwk() {
            Some(jwk) => VerifyingKey::from_jwk(&jwk.to_string()),
            None => VerifyingKey::from_secret(&self.pkcs8, self.algorithm, Some(&self.key_id)),
        }
    }

    /// The private key in PKCS#8 (DER), or the shared secret; store it encrypted.
    #[must_use]
    pub const fn private_key(&self) -> &Secret<Vec<u8>> {
        &self.pkcs8
    }

    /// The encoded header of proofs by this key (RFC 9449 §4.2); `None` for a shared secret.
    pub(super) fn proof_header(&self) -> Option<&str> {
        let public = self.public.as_ref()?;
        let header = self.proof_header.get_or_init(|| {
            let mut jwk = public.to_jwk(self.algorithm, None);
            if let Some(members) = jwk.as_object_mut() {
                members.remove("use");
                // A member of the thumbprint for these keys only (RFC 9964).
                if !matches!(public, PublicFields::Akp { .. }) {
                    members.remove("alg");
                }
            }
            let header = json!({ "typ": "dpop+jwt", "alg": self.algorithm.name(), "jwk": jwk });
            encode_base64url(header.to_string().as_bytes()).into()
        });
        Some(header)
    }

    /// The signature over `message` in JOSE's form; `None` if the key cannot sign.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut bytes = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut bytes).ok()?;
                Some(bytes)
            }
            Pair::Ec(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::MlDsa(pair) => {
                let mut bytes = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut bytes).ok()?;
                bytes.truncate(length);
                Some(bytes)
            }
            Pair::Hmac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// Signs and checks once, so that a broken key fails when it is loaded.
    fn self_tested(self) -> Result<Self, KeyRejected> {
        const PROBE: &[u8] = b"countersign key self-test";
        let mismatch = KeyRejected::new(Kind::Unusable, "the private and public halves do not match");
        let signature = self.sign_bytes(PROBE).ok_or(mismatch.clone())?;
        if self.verifying_key()?.checks(PROBE, &signature) { Ok(self) } else { Err(mismatch) }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_SHA512,
        Algorithm::PS256 => &RSA_PSS_SHA256,
        Algorithm::PS384 => &RSA_PSS_SHA384,
        Algorithm::PS512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

fn ec_algorithm(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    Some(match algorithm {
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Algorithm::ES512 => &ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => return None,
    })
}

fn ml_dsa_algorithm(algorithm: Algorithm) -> Option<&'static PqdsaSigningAlgorithm> {
    Some(match algorithm {
        Algorithm::MlDsa44 => &ML_DSA_44_SIGNING,
        Algorithm::MlDsa65 => &ML_DSA_65_SIGNING,
        Algorithm::MlDsa87 => &ML_DSA_87_SIGNING,
        _ => return None,
    })
}
