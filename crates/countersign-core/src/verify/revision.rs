//! One policy of a verifier, with all that depends on it, and the one that is in force.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use foldhash::fast::RandomState;

use super::headers::Headers;
use super::namespaces::IssuerNames;
use super::verified::Verified;
use crate::cache::TokenCache;
use crate::claims::DecodedBudget;
use crate::clock::UnixTime;
use crate::policy::{Canonical, CanonicalPolicy, Fingerprint, IssuerSource, TrustedIssuer};

/// A policy, and the tokens that were verified under it: another policy starts with an empty cache.
pub(super) struct Revision {
    /// Its number among the revisions of the verifier.
    pub(super) number: u64,
    /// The time at which it was built, just before it came into force.
    pub(super) since: UnixTime,
    /// With a fast hash: tokens add no names to it.
    pub(super) issuers: HashMap<Box<str>, Arc<TrustedIssuer>, RandomState>,
    /// The only issuer, if it is a transaction token service: its tokens need not name it.
    pub(super) transactions: Option<Arc<TrustedIssuer>>,
    /// The names of the first issuers, as text for errors.
    pub(super) trusted_names: Box<str>,
    /// The source of issuers that are not configured.
    pub(super) resolved: Option<Arc<dyn IssuerSource>>,
    /// The names that each issuer may use.
    pub(super) names: IssuerNames,
    /// The claims that the mappings of the configured issuers read.
    pub(super) identity_claims: Arc<Vec<Box<str>>>,
    /// Prefixes of subjects, each with the one issuer that may use it.
    pub(super) reserved_subjects: Vec<(String, String)>,
    /// The claims that the rules and mappings of the configured issuers read.
    pub(super) claim_names: Box<[Box<str>]>,
    pub(super) danger_denied: bool,
    pub(super) max_token_bytes: usize,
    pub(super) cache: Option<TokenCache<Verified>>,
    /// The bytes that the decoded claims of cached tokens may take: as many as the cache itself.
    pub(super) decoded: Option<Arc<DecodedBudget>>,
    pub(super) headers: Headers,
    /// Computed when it is asked for.
    pub(super) fingerprint: OnceLock<Fingerprint>,
}

impl Revision {
    /// A digest of all rules of all issuers.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| {
            let issuers = self.issuers.values().map(|issuer| issuer.fingerprint().to_string());
            self.canonical(issuers).digest()
        })
    }

    /// The rules of all issuers, field by field.
    pub(super) fn canonical_policy(&self) -> CanonicalPolicy {
        let mut policy = CanonicalPolicy::default();
        for (name, issuer) in &self.issuers {
            policy.issuers.insert(name.to_string(), issuer.canonical().into_rules());
        }
        policy.rules = self.canonical(std::iter::empty::<String>()).into_rules();
        policy
    }

    /// The form of the verifier's own rules, with these digests of its issuers.
    fn canonical(&self, issuers: impl Iterator<Item = String>) -> Canonical {
        let mut form = Canonical::new("verifier", 1);
        form.list("issuers", issuers);
        form.list("max_token_bytes", [self.max_token_bytes.to_string()]);
        if !self.reserved_subjects.is_empty() {
            let reserved = self.reserved_subjects.iter();
            let reserved = reserved.map(|(prefix, owner)| format!("{}:{prefix} {owner}", prefix.len()));
            form.list("reserved_subjects", reserved);
        }
        if self.resolved.is_some() {
            form.list("resolves_issuers", ["yes"]);
        }
        form
    }
}

/// The revision in force: the only one, or one that can be replaced.
#[expect(clippy::large_enum_variant, reason = "one per verifier, and the common case needs no second pointer")]
pub(super) enum Current {
    Fixed(Revision),
    Replaceable(Replaceable),
}

/// A revision that can be replaced, without a lock for those that read it.
pub(super) struct Replaceable {
    current: ArcSwap<Revision>,
    /// The number of the revision in force.
    number: Arc<AtomicU64>,
}

impl Replaceable {
    pub(super) fn new(revision: Revision) -> Self {
        let number = Arc::new(AtomicU64::new(revision.number));
        Replaceable { current: ArcSwap::from_pointee(revision), number }
    }

    /// Puts the next revision in force.
    pub(super) fn replace(&self, mut next: Revision) {
        next.number = self.number.load(Ordering::Acquire) + 1;
        let number = next.number;
        self.current.store(Arc::new(next));
        self.number.store(number, Ordering::Release);
    }
}

/// The revision under which a token is verified, from the first step to the last.
pub(super) enum InForce<'v> {
    Fixed(&'v Revision),
    Loaded(Guard<Arc<Revision>>, &'v Replaceable),
}

impl Current {
    #[inline]
    pub(super) fn load(&self) -> InForce<'_> {
        match self {
            Current::Fixed(revision) => InForce::Fixed(revision),
            Current::Replaceable(replaceable) => InForce::Loaded(replaceable.current.load(), replaceable),
        }
    }
}

impl Deref for InForce<'_> {
    type Target = Revision;

    #[inline]
    fn deref(&self) -> &Revision {
        match self {
            InForce::Fixed(revision) => revision,
            InForce::Loaded(revision, _) => revision,
        }
    }
}

impl InForce<'_> {
    /// The mark of this revision, if it can be replaced.
    pub(super) fn mark(&self) -> Option<RevisionMark> {
        match self {
            InForce::Fixed(_) => None,
            InForce::Loaded(revision, replaceable) => {
                Some(RevisionMark { in_force: Arc::clone(&replaceable.number), number: revision.number })
            }
        }
    }
}

/// The revision that found a key missing.
#[derive(Clone, Debug)]
pub(super) struct RevisionMark {
    in_force: Arc<AtomicU64>,
    number: u64,
}

impl RevisionMark {
    /// Returns whether another revision is in force by now.
    pub(super) fn is_over(&self) -> bool {
        self.in_force.load(Ordering::Acquire) != self.number
    }
}
