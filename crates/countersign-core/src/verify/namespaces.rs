//! The namespaces of a verifier: those of the configured issuers, and those that resolved issuers add.

use std::sync::{Arc, PoisonError, RwLock};

use super::admissions::{Admissions, Refusal};
use super::binding::Binding;
use super::verified::Caller;
use crate::authz::Grants;
use crate::authz::namespaces::{NamedBy, Namespaces};
use crate::error::{Fault, VerifyError, VerifyErrorKind as Kind};
use crate::policy::{IssuerLookup, IssuerSource, ResolvedIssuer, TrustedIssuer};
use crate::token::Payload;

/// The most issuers that are asked about to admit another one.
const MAX_ASKED: usize = 8;

/// The number of issuers of earlier admissions that each admission checks, so that those no longer trusted keep no names.
const CHECKED: usize = 8;

/// Keeps the names of all issuers of a verifier apart.
pub(super) struct IssuerNames {
    configured: Namespaces,
    /// With the names of resolved issuers; only if there is a source of them. Cached tokens do not need it.
    all: Option<RwLock<Admissions>>,
}

impl IssuerNames {
    /// The names of the configured issuers, and their faults.
    pub(super) fn new(issuers: &[TrustedIssuer], has_resolved: bool) -> (Self, Vec<Fault>) {
        let named: Vec<NamedBy<'_>> = issuers.iter().map(named_by).collect();
        let (configured, faults) = Namespaces::of_all(&named);
        let all = has_resolved.then(|| RwLock::new(Admissions::new(configured.clone())));
        let faults = if named.len() > 1 || has_resolved { faults } else { Vec::new() };
        (IssuerNames { configured, all }, faults)
    }

    /// Reads the caller of a token of `issuer`.
    #[inline(always)]
    pub(super) fn read<'p>(
        &self,
        issuer: &TrustedIssuer,
        payload: &'p Payload,
        claim_names: &[Box<str>],
    ) -> Result<Caller<'p>, VerifyError> {
        let grants = self.read_grants(issuer, payload, claim_names)?;
        let client = issuer.authorities.client(payload, claim_names)?;
        let is_clients_own = issuer.authorities.is_own(payload, claim_names, client.as_deref().unwrap_or_default())?;
        let binding = Binding::of(payload)?;
        Ok(Caller { grants, client, is_clients_own, binding, configured_claims: None, transaction: None })
    }

    #[inline(always)]
    fn read_grants(
        &self,
        issuer: &TrustedIssuer,
        payload: &Payload,
        claim_names: &[Box<str>],
    ) -> Result<Grants, VerifyError> {
        let read = |namespaces: &Namespaces| issuer.authorities.read(issuer.issuer(), payload, claim_names, namespaces);
        match &self.all {
            None => read(&self.configured),
            Some(all) => read(&all.read().unwrap_or_else(PoisonError::into_inner).names),
        }
    }

    /// Admits a resolved issuer if its names cannot be those of another issuer. Decided once for each answer of the source,
    /// and again after a refusal once the other issuer is no longer trusted.
    pub(super) fn admit(&self, found: &Arc<ResolvedIssuer>, source: &dyn IssuerSource) -> Result<(), VerifyError> {
        let Some(all) = &self.all else { return Ok(()) };
        let decision = all.read().unwrap_or_else(PoisonError::into_inner).decision(found);
        let is_trusted = |name: &str| matches!(source.lookup(name), IssuerLookup::Trusted(_));
        match decision {
            Some(Ok(())) => Ok(()),
            Some(Err(Refusal { detail, other: Some(other) })) if self.is_current(&other, is_trusted) => Err(detail),
            _ => self.add(all, found, is_trusted),
        }
        .map_err(|detail| VerifyError::new(Kind::UnknownIssuer, detail))
    }

    /// The source is never called under the lock.
    #[cold]
    fn add(
        &self,
        all: &RwLock<Admissions>,
        found: &ResolvedIssuer,
        is_trusted: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        let lock = || all.write().unwrap_or_else(PoisonError::into_inner);
        let mut to_check = lock().next_to_check(CHECKED);
        to_check.retain(|name| !is_trusted(name));
        let named = named_by(found.issuer());
        lock().forget(&to_check);
        for _ in 0..MAX_ASKED {
            let Err(refusal) = lock().add(found, &named) else { return Ok(()) };
            // An issuer that is no longer trusted keeps no names.
            match refusal.other.filter(|other| !self.is_current(other, &is_trusted)) {
                Some(other) => lock().forget(&[other]),
                None => return Err(refusal.detail),
            }
        }
        Err("the names of the issuer are those of several that are no longer trusted, and become free".to_owned())
    }

    /// Returns whether an issuer is configured or still trusted, and therefore keeps its names.
    fn is_current(&self, name: &str, is_trusted: impl Fn(&str) -> bool) -> bool {
        self.configured.contains(name) || is_trusted(name)
    }
}

fn named_by(issuer: &TrustedIssuer) -> NamedBy<'_> {
    issuer.authorities.named_by(issuer.issuer(), issuer.pinned_tenant())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::authz::Authorities;
    use crate::clock::SystemClock;
    use crate::key::{RefreshFuture, RefreshOutcome, SourceContext, StaticKeys};
    use crate::policy::NeedsAudience;

    /// Trusted issuers by name, and the number of times that it was asked.
    #[derive(Debug, Default)]
    struct Source(Mutex<HashMap<String, Arc<ResolvedIssuer>>>, AtomicUsize);

    impl Source {
        fn put(&self, found: &Arc<ResolvedIssuer>) {
            let name = found.issuer().issuer().to_owned();
            self.0.lock().expect("sound").insert(name, Arc::clone(found));
        }

        fn remove(&self, found: &ResolvedIssuer) {
            self.0.lock().expect("sound").remove(found.issuer().issuer());
        }
    }

    impl IssuerSource for Source {
        fn lookup(&self, name: &str) -> IssuerLookup {
            self.1.fetch_add(1, Ordering::Relaxed);
            let found = self.0.lock().expect("sound").get(name).cloned();
            found.map_or(IssuerLookup::Unknown, IssuerLookup::Trusted)
        }

        fn resolve<'a>(&'a self, _: &'a str) -> RefreshFuture<'a> {
            Box::pin(std::future::ready(RefreshOutcome::Refreshed))
        }
    }

    fn found(name: &str, mapping: Authorities, keys: &Arc<StaticKeys>) -> Arc<ResolvedIssuer> {
        let issuer = NeedsAudience::new(format!("https://{name}"), keys.clone()).audience("api").authorities(mapping);
        let context = SourceContext::new(Arc::new(SystemClock)).resolved(false);
        Arc::new(ResolvedIssuer::new(issuer, &context).expect("good rules"))
    }

    fn roles() -> Authorities {
        Authorities::new().roles_at("/roles")
    }

    #[test]
    fn s15_05_an_issuer_that_lost_its_names_while_it_was_not_trusted_is_not_admitted_again() {
        let (names, _) = IssuerNames::new(&[], true);
        let (source, keys) = (Source::default(), Arc::new(StaticKeys::new([])));
        let one = found("one.test", roles().name_prefix("acme:"), &keys);
        let other = found("other.test", roles().name_prefix("acme:"), &keys);
        source.put(&one);
        source.put(&other);
        assert!(names.admit(&one, &source).is_ok());
        assert!(names.admit(&other, &source).is_err() && names.admit(&other, &source).is_err());
        source.remove(&one);
        assert!(names.admit(&other, &source).is_ok(), "the names are free: the refusal ends");
        source.put(&one); // the very same answer, for example after an outage
        assert!(names.admit(&one, &source).is_err() && names.admit(&one, &source).is_err());
        assert!(names.admit(&other, &source).is_ok());
    }

    #[test]
    fn s15_05_tenants_of_one_configured_issuer_are_stated_if_others_are_resolved() {
        let issuer = |mapping| {
            let keys = Arc::new(StaticKeys::new([]));
            NeedsAudience::new("https://id.test", keys).audience("api").authorities(mapping)
        };
        let at = || Authorities::new().tenant_at("/tenant");
        let faults = |mapping, has_resolved| IssuerNames::new(&[issuer(mapping)], has_resolved).1.len();
        assert_eq!((faults(at(), false), faults(at(), true)), (0, 1));
        assert_eq!(faults(at().tenants_of("https://id.test"), true), 0);
        assert_eq!(faults(at().tenant_prefix("acme."), true), 0);
    }

    #[test]
    fn s15_05_a_changed_answer_of_the_source_is_decided_again() {
        let (names, _) = IssuerNames::new(&[], true);
        let (source, keys) = (Source::default(), Arc::new(StaticKeys::new([])));
        let put = |name: &str, prefix: &str| {
            let issuer = found(name, roles().name_prefix(prefix), &keys);
            source.put(&issuer);
            names.admit(&issuer, &source).is_ok()
        };
        assert!(put("one.test", "acme:") && put("other.test", "globex:"));
        assert!(!put("one.test", "globex:"), "its earlier prefix was good, this one is taken");
        assert!(put("one.test", "initech:"), "and a refusal ends with its cause");
    }

    /// Tokens that nobody has verified yet ask for it.
    #[test]
    fn s15_05_an_answer_of_the_source_is_decided_once() {
        let (names, _) = IssuerNames::new(&[], true);
        let (source, keys) = (Source::default(), Arc::new(StaticKeys::new([])));
        let one = found("one.test", roles().name_prefix("acme:"), &keys);
        source.put(&one);
        assert!(names.admit(&one, &source).is_ok());
        let asked = source.1.load(Ordering::Relaxed);
        assert!((0..100).all(|_| names.admit(&one, &source).is_ok()));
        assert_eq!(source.1.load(Ordering::Relaxed), asked);
        assert!(names.admit(&found("one.test", roles().name_prefix("acme:"), &keys), &source).is_ok());
        assert!(source.1.load(Ordering::Relaxed) > asked, "a decision asks");
    }

    #[test]
    fn s15_05_at_the_limit_issuers_that_are_no_longer_trusted_make_room() {
        let (names, _) = IssuerNames::new(&[], true);
        let (source, keys) = (Source::default(), Arc::new(StaticKeys::new([])));
        let with_two = |n: usize| {
            let mapping = roles().name_prefix(format!("{n}.")).tenant_at("/tenant").tenant_prefix(format!("{n}."));
            let issuer = found(&format!("i{n}.test"), mapping, &keys);
            source.put(&issuer);
            issuer
        };
        let issuers: Vec<_> = (0..32_768).map(with_two).collect();
        issuers.iter().for_each(|issuer| names.admit(issuer, &source).expect("room"));
        let late = with_two(99_999);
        assert!(names.admit(&late, &source).is_err() && names.admit(&late, &source).is_err());
        // Half of them are evicted. None of their names is asked for.
        issuers.iter().skip(1).step_by(2).for_each(|issuer| source.remove(issuer));
        assert!(names.admit(&late, &source).is_ok());
        (50_000..51_000).for_each(|n| names.admit(&with_two(n), &source).expect("room"));
        issuers.iter().step_by(2).for_each(|issuer| names.admit(issuer, &source).expect("it kept its names"));
    }
}
