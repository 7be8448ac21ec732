//! A policy that is evaluated beside the one in force, and decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::binding::Possession;
use super::builder::VerifierBuilder;
use super::needs_keys::Pending;
use super::replaceable::PolicyReplacer;
use super::shadow_slot::{Comparison, ShadowCounts};
use super::verified::Verified;
use super::verifier::Verifier;
use crate::error::{ConfigError, VerifyError, VerifyErrorKind as Kind};
use crate::policy::Fingerprint;
use crate::redact::safe_text;

struct Shadow {
    number: u64,
    /// Without a cache.
    verifier: Verifier,
    one_in: u32,
    requests: AtomicU64,
    compared: AtomicU64,
    undecided: AtomicU64,
    other_authorities: AtomicU64,
    newly_refused: [AtomicU64; Kind::ALL.len()],
    newly_admitted: [AtomicU64; Kind::ALL.len()],
    /// The last second in which a difference was logged, and the differences since that were not.
    logged_in: AtomicU64,
    unlogged: AtomicU64,
}

/// The comparison of two decisions about one token.
enum Difference {
    None,
    Undecided,
    NewlyRefused(Kind),
    NewlyAdmitted(Kind),
    OtherAuthorities,
}

impl Comparison for Shadow {
    fn number(&self) -> u64 {
        self.number
    }

    fn takes_part(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(u64::from(self.one_in))
    }

    fn count(&self, decision: Result<&Arc<Verified>, &VerifyError>, token: &str, sender: &Possession) {
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        let add_kind = |counts: &[AtomicU64], kind: Kind| counts.get(kind as usize).map(add);
        add(&self.compared);
        match self.difference(decision, token, sender) {
            Difference::None => {}
            Difference::Undecided => {
                add(&self.undecided);
            }
            Difference::NewlyRefused(kind) => {
                add_kind(&self.newly_refused, kind);
                self.log(decision, "newly_refused", kind.code());
            }
            Difference::NewlyAdmitted(kind) => {
                add_kind(&self.newly_admitted, kind);
                self.log(decision, "newly_admitted", kind.code());
            }
            Difference::OtherAuthorities => {
                add(&self.other_authorities);
                self.log(decision, "other_authorities", "");
            }
        }
    }

    fn counts(&self) -> ShadowCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let by_kind = |counts: &[AtomicU64]| {
            let all = Kind::ALL.iter().zip(counts).map(|(kind, count)| (*kind, read(count)));
            all.filter(|(_, number)| *number > 0).collect()
        };
        ShadowCounts {
            fingerprint: self.verifier.fingerprint(),
            one_in: self.one_in,
            compared: read(&self.compared),
            undecided: read(&self.undecided),
            other_authorities: read(&self.other_authorities),
            newly_refused: by_kind(&self.newly_refused),
            newly_admitted: by_kind(&self.newly_admitted),
        }
    }
}

impl Shadow {
    /// Evaluates the token with the keys that are cached. It waits for nothing, and asks no key source.
    fn difference(
        &self,
        decision: Result<&Arc<Verified>, &VerifyError>,
        token: &str,
        sender: &Possession,
    ) -> Difference {
        if decision.is_err_and(VerifyError::is_unavailable) {
            return Difference::Undecided;
        }
        let shadow = self.verifier.cached_with(token, sender).or_else(|uncached| self.verifier.run(uncached));
        match (decision, shadow) {
            (_, Err(Pending::NeedsKeys(_))) => Difference::Undecided,
            (_, Err(Pending::Refused(error))) if error.is_unavailable() => Difference::Undecided,
            (Ok(_), Err(Pending::Refused(error))) => Difference::NewlyRefused(error.kind()),
            (Err(error), Ok(_)) => Difference::NewlyAdmitted(error.kind()),
            (Ok(verified), Ok(next)) if !verified.has_same_authorities(&next) => Difference::OtherAuthorities,
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => Difference::None,
        }
    }

    /// Logs at most one difference a second: untrusted clients decide how often there is one.
    fn log(&self, decision: Result<&Arc<Verified>, &VerifyError>, difference: &'static str, code: &'static str) {
        let second = self.verifier.clock().elapsed().as_secs().saturating_add(1);
        if self.logged_in.swap(second, Ordering::Relaxed) == second {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let unlogged = self.unlogged.swap(0, Ordering::Relaxed);
        let issuer = decision.map_or_else(|_| String::new(), |verified| safe_text(verified.issuer()));
        tracing::info!(
            target: "countersign::policy", difference, code, issuer, unlogged,
            "the shadow policy decides otherwise; the policy in force holds"
        );
    }
}

impl PolicyReplacer {
    /// Evaluates the policy of `builder` beside the one in force, for one of `one_in` requests, and returns its fingerprint.
    ///
    /// No decision depends on it. It uses the keys that its sources have, and fetches none: give it those of the policy in force.
    /// The counts of an earlier shadow are gone.
    ///
    /// # Errors
    /// As [`VerifierBuilder::build`], on field `one_in` if it is zero, and on field `verifier` if there is none any more. An
    /// earlier shadow then stays.
    pub fn shadow(&self, mut builder: VerifierBuilder, one_in: u32) -> Result<Fingerprint, ConfigError> {
        if one_in == 0 {
            return Err(ConfigError::new("one_in", "zero; 1 compares each request, 10 each tenth"));
        }
        let Some(shared) = self.shared() else {
            return Err(ConfigError::new("verifier", "dropped; keep a clone of it"));
        };
        builder.clock = Arc::clone(&shared.clock);
        builder.danger_denied |= shared.current.load().danger_denied;
        let verifier = builder.cache_bytes(0).build()?;
        let fingerprint = verifier.fingerprint();
        let zeros = || [const { AtomicU64::new(0) }; Kind::ALL.len()];
        let number = shared.shadow.next_number();
        let shadow = Shadow {
            number,
            verifier,
            one_in,
            requests: AtomicU64::new(0),
            compared: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
            other_authorities: AtomicU64::new(0),
            newly_refused: zeros(),
            newly_admitted: zeros(),
            logged_in: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
        };
        shared.shadow.set(Some(Box::new(shadow)));
        Ok(fingerprint)
    }

    /// Ends the evaluation of a shadow policy, if there is one.
    pub fn end_shadow(&self) {
        if let Some(shared) = self.shared() {
            shared.shadow.set(None);
        }
    }
}

impl Verifier {
    /// The differences that a [shadow policy](PolicyReplacer::shadow) would make; `None` without one.
    #[must_use]
    pub fn shadow(&self) -> Option<ShadowCounts> {
        self.0.shadow.counts()
    }
}

#[cfg(all(test, feature = "sign"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, SystemClock, UnixTime};
    use crate::error::VerifyErrorKind;
    use crate::key::{Algorithm, KeySource, StaticKeys};
    use crate::mint::{Draft, Signer};
    use crate::policy::NeedsAudience;
    use crate::verify::verifier::Step;

    fn draft(audience: &str) -> Draft {
        let now: UnixTime = SystemClock.now();
        let draft = Draft::access_token().issuer("https://id.test").audience(audience).subject("ann").client_id("web");
        draft.claim("jti", "1").issued_at(now).expires_at(now.saturating_add(Duration::from_secs(600)))
    }

    #[test]
    fn s14_07_each_difference_is_counted_once_and_decides_nothing() {
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let keys: Arc<dyn KeySource> = Arc::new(StaticKeys::new(signer.verifying_key()));
        let trusted = |audience: &str| {
            Verifier::builder().trust(NeedsAudience::new("https://id.test", Arc::clone(&keys)).audience(audience))
        };
        let (verifier, replacer) = trusted("orders").build_replaceable().expect("sound");
        let [mine, other] = ["orders", "billing"].map(|audience| draft(audience).sign(&signer).expect("signed"));
        let verify = |token: &str| match verifier.verify_with_cached_keys(token) {
            Step::Done(result) => result.map(drop).map_err(|error| error.kind()),
            Step::NeedsKeys(_) => panic!("static keys"),
        };
        let audience = VerifyErrorKind::WrongAudience;
        assert_eq!((verify(&mine), verify(&other)), (Ok(()), Err(audience)));
        assert!(replacer.shadow(trusted("billing"), 0).is_err() && verifier.shadow().is_none());
        replacer.shadow(trusted("billing"), 1).expect("sound");
        // The first token is in the cache.
        for _ in 0..3 {
            assert_eq!(verify(&mine), Ok(()));
        }
        assert_eq!(verify(&other), Err(audience));
        let counts = verifier.shadow().expect("one");
        assert_eq!((counts.compared, counts.undecided, counts.other_authorities), (2, 0, 0));
        assert_eq!(
            (&counts.newly_refused[..], &counts.newly_admitted[..]),
            (&[(audience, 1)][..], &[(audience, 1)][..])
        );
        // The next shadow is asked again, and only for a part of the requests.
        replacer.shadow(trusted("orders"), 10).expect("sound");
        (0..20).for_each(|_| assert_eq!(verify(&other), Err(audience)));
        let counts = verifier.shadow().expect("one");
        assert_eq!((counts.compared, counts.newly_refused.len(), counts.newly_admitted.len()), (2, 0, 0));
        // Without keys there is no decision.
        let unknown: Arc<dyn KeySource> = Arc::new(StaticKeys::new([]));
        let issuer = NeedsAudience::new("https://id.test", unknown).audience("orders");
        replacer.shadow(Verifier::builder().trust(issuer), 1).expect("sound");
        assert_eq!(verify(&mine), Ok(()));
        let counts = verifier.shadow().expect("one");
        assert_eq!((counts.compared, counts.undecided), (1, 1));
        replacer.end_shadow();
        assert!(verifier.shadow().is_none());
    }
}
