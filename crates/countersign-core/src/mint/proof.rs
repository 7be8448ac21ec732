//! Proofs that a caller has the private key of its token (DPoP, RFC 9449).

use aws_lc_rs::rand;
use serde::Serialize;

use super::draft::SignError;
use super::signer::Signer;
use crate::clock::UnixTime;
use crate::digest::sha256;
use crate::token::encode_base64url;

/// The largest proof, in bytes: many servers accept header lines of at most 8 KiB.
const MAX_PROOF_BYTES: usize = 8 * 1024;

/// Room for the claims without the address, and for an encoded signature of a key on the curve P-256, with its dots.
const CLAIMS_BYTES: usize = 256;
const SIGNATURE_BYTES: usize = 90;

/// The random bytes of an id. RFC 9449 §4.2 requires 96 bits at least.
const TOKEN_ID_BYTES: usize = 18;

/// A DPoP proof before it is signed (RFC 9449 §4.2): for one request, by the key that the token is bound to.
///
/// Each signature has a new random `jti`, unless one is set. The query and the fragment of the address are left out.
///
/// ```
/// use countersign_core::{clock::UnixTime, key::Algorithm, mint::{ProofDraft, Signer}};
///
/// let signer = Signer::generate(Algorithm::ES256)?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let proof = ProofDraft::new("GET", "https://billing.internal/invoices?page=2", now)
///     .access_token("opaque") // only for a request with a token
///     .sign(&signer)?;
/// assert_eq!(proof.matches('.').count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a proof proves nothing until it is signed"]
pub struct ProofDraft<'a> {
    method: &'a str,
    address: &'a str,
    issued_at: UnixTime,
    access_token: Option<&'a str>,
    nonce: Option<&'a str>,
    token_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl<'a> ProofDraft<'a> {
    /// A proof for a request with this method to this absolute address, made at this time.
    pub fn new(method: &'a str, address: &'a str, issued_at: UnixTime) -> Self {
        ProofDraft { method, address, issued_at, access_token: None, nonce: None, token_id: None }
    }

    /// The token of the request, whose SHA-256 the proof contains (`ath`). A request to a token endpoint has none.
    pub fn access_token(self, access_token: &'a str) -> Self {
        ProofDraft { access_token: Some(access_token), ..self }
    }

    /// The nonce that the server gave (RFC 9449 §8 and §9).
    pub fn nonce(self, nonce: &'a str) -> Self {
        ProofDraft { nonce: Some(nonce), ..self }
    }

    /// The id of the proof (`jti`) instead of a random one, for tests of verifiers.
    pub fn token_id(self, id: &'a str) -> Self {
        ProofDraft { token_id: Some(id), ..self }
    }

    /// Signs the proof: the value of the header `DPoP`.
    ///
    /// # Errors
    /// `SignError` if the key is a shared secret, or the proof would have more than 8 KiB.
    pub fn sign(&self, signer: &Signer) -> Result<String, SignError> {
        let header = signer.proof_header().ok_or(SignError::NoPublicKey)?;
        let mut random = [0; TOKEN_ID_BYTES];
        rand::fill(&mut random).map_err(|_| SignError::Signing)?;
        let random = encode_base64url(&random);
        let claims = Claims {
            jti: self.token_id.unwrap_or(&random),
            htm: self.method,
            htu: self.address.split(['?', '#']).next().unwrap_or_default(),
            iat: self.issued_at.as_secs(),
            ath: self.access_token.map(hash),
            nonce: self.nonce,
        };
        let mut json = Vec::with_capacity(CLAIMS_BYTES + self.address.len());
        serde_json::to_writer(&mut json, &claims).map_err(|_| SignError::Signing)?;
        let claims = encode_base64url(&json);
        let mut proof = String::with_capacity(header.len() + claims.len() + SIGNATURE_BYTES);
        for part in [header, ".", &claims] {
            proof.push_str(part);
        }
        let signature = signer.sign_bytes(proof.as_bytes()).ok_or(SignError::Signing)?;
        proof.push('.');
        proof.push_str(&encode_base64url(&signature));
        if proof.len() > MAX_PROOF_BYTES {
            return Err(SignError::ProofTooLarge(proof.len()));
        }
        Ok(proof)
    }
}

/// Without the token, its nonce, and the address, which may contain secrets.
impl std::fmt::Debug for ProofDraft<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofDraft").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The `ath` of a token (RFC 9449 §4.2).
fn hash(access_token: &str) -> String {
    encode_base64url(&sha256(access_token))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::key::{Algorithm, VerifyingKey};
    use crate::secret::Secret;
    use crate::token::decode_base64url;

    const NOW: UnixTime = UnixTime::from_secs(1_562_262_616);

    /// The proof of RFC 9449 §4.1, figure 2.
    const PUBLISHED: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo\
        UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6Il\
        AtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIi\
        wiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    fn decoded(proof: &str) -> [Value; 2] {
        let mut parts = proof.split('.').map(|part| decode_base64url(part).expect("base64url"));
        [(); 2].map(|()| serde_json::from_slice(&parts.next().expect("a part")).expect("JSON"))
    }

    fn is_signed_by(proof: &str, key: &VerifyingKey) -> bool {
        let (signed, signature) = proof.rsplit_once('.').expect("three parts");
        key.checks(signed.as_bytes(), &decode_base64url(signature).expect("base64url"))
    }

    /// The key in the header of a proof, which states no algorithm itself.
    fn key_in(header: &Value) -> VerifyingKey {
        let mut jwk = header["jwk"].clone();
        jwk["alg"] = header["alg"].clone();
        VerifyingKey::from_jwk(&jwk.to_string()).expect("a public key")
    }

    fn members(value: &Value) -> Vec<&String> {
        value.as_object().expect("an object").keys().collect()
    }

    #[test]
    fn s7_21_a_proof_has_the_form_of_the_published_one() {
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let proof = ProofDraft::new("POST", "https://server.example.com/token", NOW).token_id("-BwC3ESc6acc2lTc");
        let ours = proof.sign(&signer).expect("a proof");
        let [[header, claims], [expected, expected_claims]] = [decoded(&ours), decoded(PUBLISHED)];
        assert_eq!(claims, expected_claims);
        assert_eq!((members(&header), &header["typ"]), (members(&expected), &json!("dpop+jwt")));
        assert_eq!((members(&header["jwk"]), &header["alg"]), (members(&expected["jwk"]), &expected["alg"]));
        assert_eq!(key_in(&header).thumbprint(), signer.key_id());
        assert!(is_signed_by(&ours, &key_in(&header)) && is_signed_by(PUBLISHED, &key_in(&expected)));
        assert!(!is_signed_by(&ours, &key_in(&expected)));
        let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; // RFC 9449 §6.1
        assert_eq!(key_in(&expected).thumbprint(), thumbprint);
    }

    #[test]
    fn s6_15_s7_21_the_hash_of_the_token_is_the_published_one_and_only_where_there_is_a_token() {
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let proof = ProofDraft::new("GET", "https://resource.example.org/protectedresource", NOW);
        let with = proof.clone().access_token("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU").nonce("eyJ7S_zG");
        let [_, claims] = decoded(&with.sign(&signer).expect("a proof"));
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["nonce"], "eyJ7S_zG");
        let [_, claims] = decoded(&proof.sign(&signer).expect("a proof"));
        assert_eq!(members(&claims), ["htm", "htu", "iat", "jti"]);
    }

    #[test]
    fn s7_21_each_proof_has_another_id_and_the_address_no_query() {
        let signer = Signer::generate(Algorithm::Ed25519).expect("a key");
        let mut ids = std::collections::HashSet::new();
        for address in ["https://a.test/x", "https://a.test/x?token=1#f", "https://a.test/x#f?g"] {
            for _ in 0..100 {
                let [_, claims] = decoded(&ProofDraft::new("GET", address, NOW).sign(&signer).expect("a proof"));
                assert_eq!(claims["htu"], "https://a.test/x");
                let id = claims["jti"].as_str().expect("text").to_owned();
                assert_eq!(decode_base64url(&id).map(|bytes| bytes.len()), Some(TOKEN_ID_BYTES));
                assert!(ids.insert(id));
            }
        }
    }

    #[test]
    fn s7_21_every_key_pair_signs_with_its_public_half_in_the_header_and_no_other_key_does() {
        for algorithm in ["ES256", "ES384", "ES512", "Ed25519", "EdDSA", "RS256", "PS256", "ML-DSA-44"] {
            let algorithm: Algorithm = algorithm.parse().expect("an algorithm");
            let signer = Signer::generate(algorithm).expect("a key").with_key_id("another name");
            let proof = ProofDraft::new("GET", "https://a.test/", NOW).sign(&signer).expect("a proof");
            let [header, _] = decoded(&proof);
            assert!(is_signed_by(&proof, &key_in(&header)), "{algorithm}");
            let private = ["d", "p", "q", "dp", "dq", "qi", "k", "priv", "kid", "use"];
            assert!(private.iter().all(|member| header["jwk"][member].is_null()), "{header}");
        }
        let secret = Signer::from_secret(Secret::new(vec![7; 32]), Algorithm::HS256, "shared").expect("a secret");
        let proof = ProofDraft::new("GET", "https://a.test/", NOW);
        assert_eq!(proof.sign(&secret), Err(SignError::NoPublicKey));
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let long = format!("https://a.test/{}", "a".repeat(MAX_PROOF_BYTES));
        let proof = ProofDraft::new("GET", &long, NOW).access_token("the-token");
        assert!(matches!(proof.sign(&signer), Err(SignError::ProofTooLarge(_))));
        assert!(!format!("{proof:?}").contains("the-token"));
    }
}
