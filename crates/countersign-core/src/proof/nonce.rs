//! Nonces of a server for proofs (RFC 9449 §8 and §9), without any memory of them.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::dpop::DpopProof;
use super::error::{ProofError, ProofErrorKind as Kind};
use crate::clock::UnixTime;
use crate::error::ConfigError;
use crate::secret::Secret;
use crate::token::encode_base64url;

/// The time for which a nonce is the current one. It is accepted for as long again.
const WINDOW: Duration = Duration::from_secs(120);

/// The shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 32;

/// The bytes of a nonce, before it is encoded.
const NONCE_BYTES: usize = 18;

/// Makes and recognises the nonces that clients must put into their proofs.
///
/// A nonce is a MAC of the time, so nothing is stored, and all instances of a service with the same secret accept each other's
/// nonces. With a nonce, a proof cannot be made long before it is used.
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_core::proof::Nonces;
///
/// let (nonces, now) = (Nonces::generate()?, UnixTime::from_secs(1_800_000_000));
/// assert!(nonces.accepts(&nonces.current(now), now));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Nonces {
    key: hmac::Key,
    window: Duration,
}

impl Nonces {
    /// Nonces of this process only, for a service of one instance.
    ///
    /// # Errors
    /// `ConfigError` on field `nonce_secret` if the system has no random bytes.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = vec![0; MIN_SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| ConfigError::new("nonce_secret", "the system has no random bytes"))?;
        Self::from_secret(&Secret::new(bytes))
    }

    /// Nonces of all instances that have this secret: at least 32 random bytes.
    ///
    /// # Errors
    /// `ConfigError` on field `nonce_secret` if it is shorter.
    pub fn from_secret(secret: &Secret<Vec<u8>>) -> Result<Self, ConfigError> {
        let bytes = secret.expose();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(ConfigError::new("nonce_secret", "shorter than 32 bytes; generate 32 random ones"));
        }
        Ok(Nonces { key: hmac::Key::new(hmac::HMAC_SHA256, bytes), window: WINDOW })
    }

    /// Sets how long a nonce is the current one, within 1 s to 1 h. Default: 2 min. It is accepted for as long again.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.clamp(Duration::from_secs(1), Duration::from_secs(3600));
        self
    }

    /// The nonce for proofs that are made now.
    #[must_use]
    pub fn current(&self, now: UnixTime) -> String {
        self.of(self.number(now))
    }

    /// Returns whether this is the current nonce, the one before, or the next one, which instances whose clocks are ahead give.
    #[must_use]
    pub fn accepts(&self, nonce: &str, now: UnixTime) -> bool {
        let number = self.number(now);
        let is_of = |number| verify_slices_are_equal(self.of(number).as_bytes(), nonce.as_bytes()).is_ok();
        // Clocks of instances differ: the next one may have begun at another.
        is_of(number) || number.checked_sub(1).is_some_and(is_of) || is_of(number + 1)
    }

    /// Checks the nonce of a proof.
    ///
    /// # Errors
    /// `proof_nonce_required`.
    pub fn check(&self, proof: &DpopProof, now: UnixTime) -> Result<(), ProofError> {
        match proof.nonce() {
            Some(nonce) if self.accepts(nonce, now) => Ok(()),
            Some(_) => Err(ProofError::new(Kind::NonceRequired, "the nonce is not one of this service, or is over")),
            None => Err(ProofError::new(Kind::NonceRequired, "the proof has no nonce")),
        }
    }

    /// Returns whether this is the current nonce, so that its sender needs no newer one.
    #[must_use]
    pub fn is_current(&self, nonce: &str, now: UnixTime) -> bool {
        verify_slices_are_equal(self.current(now).as_bytes(), nonce.as_bytes()).is_ok()
    }

    fn number(&self, now: UnixTime) -> u64 {
        now.as_secs() / self.window.as_secs().max(1)
    }

    fn of(&self, number: u64) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"countersign DPoP nonce");
        context.update(&number.to_be_bytes());
        let tag = context.sign();
        encode_base64url(tag.as_ref().get(..NONCE_BYTES).unwrap_or_default()) // of 32 bytes
    }
}

/// Omits the key.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("window", &self.window).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_17_two_windows_are_accepted_by_all_who_have_the_secret() {
        let secret = Secret::new(vec![7; 32]);
        let [one, other] = [(); 2].map(|()| Nonces::from_secret(&secret).expect("long enough"));
        let at = |seconds: u64| UnixTime::from_secs(1_700_000_040 + seconds);
        let nonce = one.current(at(0));
        assert!(nonce.len() == 24 && nonce.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        for (seconds, is_accepted, is_current) in
            [(0, true, true), (119, true, true), (120, true, false), (239, true, false), (240, false, false)]
        {
            assert_eq!(other.accepts(&nonce, at(seconds)), is_accepted, "{seconds}");
            assert_eq!(other.is_current(&nonce, at(seconds)), is_current, "{seconds}");
        }
        assert!(other.accepts(&one.current(at(121)), at(119)), "an instance whose clock is late");
        assert!(
            !one.accepts("", at(0))
                && !one.accepts(&nonce[1..], at(0))
                && !Nonces::generate().expect("random").accepts(&nonce, at(0))
        );
        assert!(Nonces::from_secret(&Secret::new(vec![7; 31])).is_err());
        assert!(!format!("{one:?}").contains('7'));
    }
}
