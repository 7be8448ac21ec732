//! The namespaces of a verifier: those of the configured issuers, and those that resolved issuers add.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::verified::Caller;
use crate::authz::Grants;
use crate::authz::namespaces::{NamedBy, Namespaces};
use crate::error::{Fault, VerifyError, VerifyErrorKind as Kind};
use crate::policy::{IssuerLookup, IssuerSource, ResolvedIssuer, TrustedIssuer};
use crate::token::Payload;

/// The most prefixes and tenants of one verifier.
const MAX_NAMES: usize = 65_536;

/// The most issuers that are asked about to admit another one.
const MAX_ASKED: usize = 8;

/// Keeps the names of all issuers of a verifier apart.
pub(super) struct IssuerNames {
    /// The identity of the verifier among those of the process.
    id: u64,
    configured: Namespaces,
    /// With the names of resolved issuers; only if there is a source of them. Cached tokens do not need it.
    all: Option<RwLock<Namespaces>>,
}

impl IssuerNames {
    /// The names of the configured issuers, and their faults.
    pub(super) fn new(issuers: &[TrustedIssuer], has_resolved: bool) -> (Self, Vec<Fault>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let named: Vec<NamedBy<'_>> = issuers.iter().map(named_by).collect();
        let (configured, faults) = Namespaces::of_all(&named);
        let all = has_resolved.then(|| RwLock::new(configured.clone()));
        let faults = if named.len() > 1 || has_resolved { faults } else { Vec::new() };
        (IssuerNames { id: NEXT.fetch_add(1, Ordering::Relaxed), configured, all }, faults)
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
        Ok(Caller { grants, client, is_clients_own })
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
            Some(all) => read(&all.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Admits a resolved issuer if its names cannot be those of another issuer. Decided once for each answer of the source.
    pub(super) fn admit(&self, found: &Arc<ResolvedIssuer>, source: &dyn IssuerSource) -> Result<(), VerifyError> {
        let admission = found.admission.get_or_init(|| (self.id, self.add(found, source)));
        match admission {
            (id, result) if *id == self.id => result.clone(),
            // The source serves several verifiers, and another one was first.
            _ => self.add(found, source),
        }
        .map_err(|detail| VerifyError::new(Kind::UnknownIssuer, detail))
    }

    fn add(&self, found: &ResolvedIssuer, source: &dyn IssuerSource) -> Result<(), String> {
        let Some(all) = &self.all else { return Ok(()) };
        let lock = || -> RwLockWriteGuard<'_, Namespaces> { all.write().unwrap_or_else(PoisonError::into_inner) };
        let is_trusted = |name: &str| matches!(source.lookup(name), IssuerLookup::Trusted(_));
        if lock().len() >= MAX_NAMES {
            let mut names: Vec<String> = lock().issuers().map(str::to_owned).collect();
            names.retain(|name| !self.is_configured(name) && !is_trusted(name)); // never under the lock
            names.iter().for_each(|name| lock().remove(name));
        }
        let mut refused = format!("the issuers have more than {MAX_NAMES} prefixes and tenants");
        for _ in 0..MAX_ASKED {
            let collision = {
                let mut names = lock();
                if names.len() >= MAX_NAMES {
                    break;
                }
                match names.add_resolved(&named_by(found.issuer())) {
                    Ok(()) => return Ok(()),
                    Err(collision) => collision,
                }
            };
            refused = collision.fault.problem.into_owned();
            // An issuer that is no longer trusted keeps no names.
            match collision.other.filter(|other| !self.is_configured(other) && !is_trusted(other)) {
                Some(other) => lock().remove(&other),
                None => break,
            }
        }
        Err(refused)
    }

    fn is_configured(&self, name: &str) -> bool {
        self.configured.issuers().any(|issuer| issuer == name)
    }
}

fn named_by(issuer: &TrustedIssuer) -> NamedBy<'_> {
    issuer.authorities.named_by(issuer.issuer(), issuer.pinned_tenant())
}
