//! The check of a bundle against the keys and the fleet that a service pins.

use std::sync::Arc;

use super::document::{Bundle, MAX_BUNDLE_BYTES, MAX_FLEET_BYTES};
use super::error::{BundleError, BundleErrorKind as Kind};
use super::shadow::ShadowBundle;
use crate::algorithm::Algorithm;
use crate::clock::UnixTime;
use crate::error::{ConfigError, Fault, VerifyErrorKind};
use crate::key::{KeySet, Lookup, VerifyingKey};
use crate::redact::safe_text;
use crate::token::{Compact, Header, TokenType, decode_base64url};
use crate::verify::signature::matching_key;

/// The `typ` of a bundle. No verifier of tokens accepts it, and no other document has it (RFC 8725 §3.11).
pub(super) const BUNDLE_TYPE: &str = "policy-bundle+jwt";

/// The `typ` of a bundle whose policy is only compared with the one in force. It never replaces it.
pub(super) const SHADOW_TYPE: &str = "policy-shadow+jwt";

/// Checks bundles against the keys and the name of the fleet that a service pins.
///
/// ```
/// use countersign_core::bundle::{BundleDraft, BundleVerifier};
/// use countersign_core::clock::UnixTime;
/// use countersign_core::key::{Algorithm, KeySet};
/// use countersign_core::mint::Signer;
/// use countersign_core::policy::Policy;
///
/// let signer = Signer::generate(Algorithm::ES256)?;
/// let now = UnixTime::from_secs(1_800_000_000);
/// let policy = Policy::access_token("https://id.example.com", "orders");
/// let text = BundleDraft::new("orders-production", 7, policy.clone()).created_at(now).sign(&signer)?;
///
/// let bundles = BundleVerifier::new("orders-production", KeySet::new([signer.verifying_key()?]))?;
/// let bundle = bundles.verify(&text, now)?;
/// assert_eq!((bundle.revision(), &**bundle.policy()), (7, &policy));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BundleVerifier {
    fleet: Box<str>,
    keys: Arc<KeySet>,
}

impl BundleVerifier {
    /// Pins the fleet, which `aud` must name, and the public keys, one of which must have signed.
    ///
    /// Two keys are needed only while one replaces the other.
    ///
    /// # Errors
    /// `ConfigError` on field `fleet` if it is empty or longer than 256 bytes, and on `bundle_keys` if there is none or a shared
    /// secret, with which each service could sign.
    pub fn new(fleet: impl Into<String>, keys: KeySet) -> Result<Self, ConfigError> {
        let fleet: String = fleet.into();
        let mut faults: Vec<Fault> = fleet_fault(&fleet).into_iter().collect();
        if keys.is_empty() {
            faults.push(Fault::new("bundle_keys", "has no usable key; name the public key that signs bundles"));
        }
        if keys.keys().any(|key| key.algorithm().is_symmetric()) {
            let problem = "has a shared secret, with which each service could sign; use a key pair, such as ES256";
            faults.push(Fault::new("bundle_keys", problem));
        }
        ConfigError::check(faults)?;
        Ok(BundleVerifier { fleet: fleet.into(), keys: Arc::new(keys) })
    }

    /// Checks signature, type, fleet, form and times.
    ///
    /// It does not compare revisions ([`Bundle::replaces`]), and builds no verifier from the policy.
    ///
    /// # Errors
    /// The first fault, in the order of [`BundleErrorKind`](super::BundleErrorKind).
    pub fn verify(&self, text: &str, now: UnixTime) -> Result<Bundle, BundleError> {
        let bundle = self.verify_at_any_time(text)?;
        bundle.check_times(now)?;
        Ok(bundle)
    }

    /// As [`verify`](Self::verify), also if the time of the bundle is over, such as to learn its revision.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), except those of [`Bundle::check_times`].
    pub fn verify_at_any_time(&self, text: &str) -> Result<Bundle, BundleError> {
        self.read(text, BUNDLE_TYPE)
    }

    /// As [`verify`](Self::verify), for a bundle that is only a shadow. A bundle to put in force is refused.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_shadow(&self, text: &str, now: UnixTime) -> Result<ShadowBundle, BundleError> {
        let bundle = self.read(text, SHADOW_TYPE)?;
        bundle.check_times(now)?;
        Ok(ShadowBundle(bundle))
    }

    fn read(&self, text: &str, expected: &'static str) -> Result<Bundle, BundleError> {
        if text.len() > MAX_BUNDLE_BYTES {
            let detail = format!("it has {} bytes, at most {MAX_BUNDLE_BYTES} are permitted", text.len());
            return Err(BundleError::new(Kind::TooLarge, detail));
        }
        let text = text.trim_ascii(); // editors and shells end a file with a line break
        if text.starts_with('{') || text.starts_with("[[") {
            let detail = "a policy without signature; sign it with countersign bundle sign";
            return Err(BundleError::new(Kind::Malformed, detail));
        }
        let malformed = |_| BundleError::new(Kind::Malformed, "not a compact JWS: three segments in base64url");
        let compact = Compact::split(text, MAX_BUNDLE_BYTES).map_err(malformed)?;
        let header = Header::decode(compact.header)
            .map_err(|error| BundleError::new(Kind::Malformed, format!("its header: {}", error.detail())))?;
        let has_type = matches!(&header.token_type, TokenType::Other(name) if name.eq_ignore_ascii_case(expected));
        if !has_type {
            let detail = format!("typ is {}, not {expected}", safe_text(header.token_type.name()));
            return Err(BundleError::new(Kind::WrongType, detail));
        }
        let unknown = || {
            let kid = header.key_id.as_deref().map_or_else(|| "none".to_owned(), safe_text);
            let alg = header.algorithm.map_or_else(|| safe_text(&header.algorithm_name), |known| known.to_string());
            BundleError::new(Kind::UnknownKey, format!("no pinned key has its kid ({kid}) and alg ({alg})"))
        };
        let algorithm = header.algorithm.ok_or_else(unknown)?;
        let found = self.keys.find(header.key_id.as_deref(), algorithm, Algorithm::RS256);
        let Lookup::Found(candidates) = found else { return Err(unknown()) };
        matching_key(&compact, &candidates).map_err(|error| match error.kind() {
            VerifyErrorKind::BadSignature => {
                BundleError::new(Kind::BadSignature, "the signature is not that of the pinned key")
            }
            _ => BundleError::new(Kind::Malformed, "its signature is not canonical base64url"),
        })?;
        let payload = decode_base64url(compact.payload)
            .ok_or_else(|| BundleError::new(Kind::Malformed, "its payload is not canonical base64url"))?;
        Bundle::read(&payload, &self.fleet, header.key_id.as_deref())
    }

    /// The fleet whose bundles are accepted.
    #[must_use]
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// Returns whether a pinned key is one of tests or of development: its ID begins with `test-only-`.
    #[must_use]
    pub fn has_test_keys(&self) -> bool {
        self.keys.keys().any(VerifyingKey::is_for_tests)
    }
}

pub(super) fn fleet_fault(fleet: &str) -> Option<Fault> {
    let is_sound = !fleet.is_empty() && fleet.len() <= MAX_FLEET_BYTES && !fleet.chars().any(char::is_control);
    (!is_sound).then(|| Fault::new("fleet", "empty, longer than 256 bytes, or with control characters; name the fleet"))
}
