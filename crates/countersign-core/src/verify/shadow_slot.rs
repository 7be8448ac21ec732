//! The place of a verifier for a policy that is compared with the one in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::binding::Possession;
use super::verified::Verified;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::policy::Fingerprint;

/// The differences between a shadow policy and the policy in force, counted since either was replaced.
///
/// A cached token counts once. A refused token counts with each of its requests that is compared.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// let trusted = |audience: &str| NeedsAudience::new("https://id.test", Arc::new(StaticKeys::new([]))).audience(audience);
/// let (verifier, replacer) = Verifier::builder().trust(trusted("orders")).build_replaceable()?;
/// replacer.shadow(Verifier::builder().trust(trusted("billing")), 10)?;
/// let counts = verifier.shadow().expect("one that was set");
/// assert_eq!((counts.one_in, counts.compared), (10, 0));
/// replacer.end_shadow();
/// assert!(verifier.shadow().is_none());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowCounts {
    /// The fingerprint of the shadow policy.
    pub fingerprint: Fingerprint,
    /// One of so many requests is compared.
    pub one_in: u32,
    /// The tokens that were compared, with those that could not be.
    pub compared: u64,
    /// Tokens that could not be compared, because keys were missing. The shadow fetches none.
    pub undecided: u64,
    /// Accepted tokens that would have other authorities, or another subject, client or tenant.
    pub other_authorities: u64,
    /// Accepted tokens that the shadow policy refuses, with its reason; only those that occurred.
    pub newly_refused: Vec<(Kind, u64)>,
    /// Refused tokens that the shadow policy accepts, with the reason of the policy in force; only those that occurred.
    pub newly_admitted: Vec<(Kind, u64)>,
}

impl ShadowCounts {
    /// The tokens about which both policies decide the same.
    #[must_use]
    pub fn same(&self) -> u64 {
        let sum = |counts: &[(Kind, u64)]| counts.iter().map(|(_, number)| number).sum::<u64>();
        let others = self.undecided + self.other_authorities + sum(&self.newly_refused) + sum(&self.newly_admitted);
        self.compared.saturating_sub(others)
    }
}

/// The place of a verifier's shadow.
#[derive(Default)]
pub(super) struct ShadowSlot {
    /// The number of the current one; 0 without. The only field that is read if there is none.
    number: AtomicU64,
    last: AtomicU64,
    current: ArcSwapOption<Box<dyn Comparison>>,
}

/// The comparison of decisions with those of a shadow policy.
pub(super) trait Comparison: Send + Sync {
    /// The number of the shadow, from 1.
    fn number(&self) -> u64;

    /// Returns whether this request is one of those that are compared.
    fn takes_part(&self) -> bool;

    /// Compares the decision about a token, and counts the difference.
    fn count(&self, decision: Result<&Arc<Verified>, &VerifyError>, token: &str, sender: &Possession);

    fn counts(&self) -> ShadowCounts;
}

impl ShadowSlot {
    /// Compares a token from the cache, unless the same shadow was asked about it before.
    #[inline]
    pub(super) fn compare_cached(&self, verified: &Arc<Verified>, token: &str, sender: &Possession) {
        let number = self.number.load(Ordering::Relaxed);
        if number != 0 && verified.compared_by().load(Ordering::Relaxed) != number {
            self.compare_accepted(verified, token, sender);
        }
    }

    /// Compares a token that was accepted or refused just now.
    #[inline]
    pub(super) fn compare(&self, decision: &Result<Arc<Verified>, VerifyError>, token: &str, sender: &Possession) {
        match decision {
            Ok(verified) => self.compare_cached(verified, token, sender),
            Err(error) if self.number.load(Ordering::Relaxed) != 0 => self.compare_refused(error, token, sender),
            Err(_) => {}
        }
    }

    #[cold]
    fn compare_accepted(&self, verified: &Arc<Verified>, token: &str, sender: &Possession) {
        let current = self.current.load();
        let Some(shadow) = current.as_ref().filter(|shadow| shadow.takes_part()) else { return };
        // Of two requests at the same time, one compares.
        if verified.compared_by().swap(shadow.number(), Ordering::Relaxed) != shadow.number() {
            shadow.count(Ok(verified), token, sender);
        }
    }

    #[cold]
    fn compare_refused(&self, error: &VerifyError, token: &str, sender: &Possession) {
        let current = self.current.load();
        if let Some(shadow) = current.as_ref().filter(|shadow| shadow.takes_part()) {
            shadow.count(Err(error), token, sender);
        }
    }

    /// A number that no earlier shadow had.
    pub(super) fn next_number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn set(&self, shadow: Option<Box<dyn Comparison>>) {
        let number = shadow.as_ref().map_or(0, |shadow| shadow.number());
        self.current.store(shadow.map(Arc::new));
        self.number.store(number, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Option<ShadowCounts> {
        self.current.load().as_ref().map(|shadow| shadow.counts())
    }
}
