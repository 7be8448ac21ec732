//! Issuers that are resolved by name at run time.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::TrustedIssuer;
use crate::error::{ConfigError, Fault};
use crate::key::memory::KeyMemory;
use crate::key::{RefreshFuture, SourceContext};
use crate::redact::safe_text;

/// Resolves issuers that are unknown at build time, such as tenants in a database.
///
/// The verifier passes the exact `iss` of a token that is not verified yet, and trusts only an issuer of exactly that name.
/// An implementation must bound its own work and memory: [`resolve`](Self::resolve) is called for every token whose issuer
/// is not cached. It needs single flight, a cool-down and a cache of refused names.
pub trait IssuerSource: Send + Sync + Debug + 'static {
    /// Looks up an issuer in memory only; called for every token, including cached ones.
    fn lookup(&self, name: &str) -> IssuerLookup;

    /// Resolves an issuer by name, within the limits of the source.
    ///
    /// Returns `Refreshed` once [`lookup`](Self::lookup) knows the result, and `Unavailable` if it cannot be determined.
    fn resolve<'a>(&'a self, name: &'a str) -> RefreshFuture<'a>;

    /// The weakenings, as text: logged when a verifier is built, and forbidden by `deny_danger`.
    fn weakenings(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Hands down the verifier's clock and returns configuration faults; called once for every verifier that is built.
    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let _ = context;
        Vec::new()
    }
}

/// The result of looking up an issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IssuerLookup {
    /// The issuer is trusted under these rules.
    ///
    /// Return the same `Arc` as long as the rules hold: another one invalidates the tokens verified under it.
    Trusted(Arc<ResolvedIssuer>),
    /// The issuer is not trusted.
    NotTrusted,
    /// The issuer was not resolved yet, or the result is too old.
    Unknown,
}

/// An issuer that was resolved at run time, with checked rules.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::clock::SystemClock;
/// use countersign_core::key::{SourceContext, StaticKeys};
/// use countersign_core::{integration::ResolvedIssuer, policy::NeedsAudience};
///
/// let named = |name: &str| NeedsAudience::new(name, Arc::new(StaticKeys::new([])));
/// let context = SourceContext::new(Arc::new(SystemClock)).resolved(false);
/// assert!(ResolvedIssuer::new(named("https://id.example.com").audience("orders"), &context).is_ok());
/// assert!(ResolvedIssuer::new(named("http://id.example.com").audience("orders"), &context).is_err());
/// ```
#[derive(Debug)]
pub struct ResolvedIssuer {
    issuer: Arc<TrustedIssuer>,
    claim_names: Box<[Box<str>]>,
    is_weakened: bool,
    /// Its number among the resolved issuers of the process.
    number: u64,
    /// The second in which a token was last verified, plus one; zero if none was.
    last_used: AtomicU64,
    key_memory: Option<Arc<KeyMemory>>,
    is_released: AtomicBool,
}

impl ResolvedIssuer {
    /// Checks the rules as a verifier does when it is built, and attaches the key source to `context`.
    ///
    /// # Errors
    /// `ConfigError` with every fault of this issuer.
    pub fn new(mut issuer: TrustedIssuer, context: &SourceContext) -> Result<Self, ConfigError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut faults = issuer.faults(context);
        if let Some((pointer, "", None)) =
            issuer.authorities.tenant_claim().filter(|_| issuer.pinned_tenant().is_none())
        {
            faults.push(Fault::new(
                "tenant",
                format!("the issuer could name every tenant in {pointer}; fix its tenant, or set tenant_prefix or tenants_of"),
            ));
        }
        if let Some(("", None)) = issuer.authorities.names_claim() {
            faults.push(Fault::new(
                "names",
                "the issuer could say every role, permission and group; set name_prefix, or state with names_of whose these are",
            ));
        }
        ConfigError::check(faults).inspect_err(|_| issuer.keys.detach())?;
        let is_weakened = issuer.weakenings().next().is_some();
        if is_weakened {
            log_weakenings(&issuer, context.clock().elapsed());
        }
        issuer.is_resolved = true;
        issuer.identity_claims = Arc::new(issuer.naming_claims().map(Box::from).collect());
        let mut claim_names: Vec<Box<str>> = issuer.claim_names().map(Box::from).collect();
        claim_names.sort();
        claim_names.dedup();
        Ok(ResolvedIssuer {
            issuer: Arc::new(issuer),
            claim_names: claim_names.into(),
            is_weakened,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            last_used: AtomicU64::new(0),
            key_memory: context.key_memory().cloned(),
            is_released: AtomicBool::new(false),
        })
    }

    /// Records that a token of this issuer was verified, at a reading of the clock's `elapsed`. Writes only what changes.
    pub(crate) fn record_use(&self, elapsed: Duration) {
        let second = elapsed.as_secs().saturating_add(1);
        if self.last_used.load(Ordering::Relaxed) != second {
            self.last_used.store(second, Ordering::Relaxed);
        }
        self.issuer.keys.record_use();
    }

    /// The order of the last uses: an issuer with a lower number was used earlier, one with zero never.
    #[must_use]
    pub fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// The bytes of its fetched keys, as far as its key source counts them.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        self.key_memory.as_ref().map_or(0, |memory| memory.bytes())
    }

    /// Detaches the key source, so that cached tokens and requests in progress keep no keys in memory. The issuer must not
    /// be used for further tokens. Dropping it does the same.
    pub fn release(&self) {
        if !self.is_released.swap(true, Ordering::Relaxed) {
            self.issuer.keys.detach();
        }
    }

    /// Returns whether the key source was detached.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.is_released.load(Ordering::Relaxed)
    }

    /// The issuer and its rules.
    #[must_use]
    pub fn issuer(&self) -> &Arc<TrustedIssuer> {
        &self.issuer
    }

    /// A number that no other resolved issuer of the process has, not even one of the same name.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether the issuer is weakened by [`danger`](super::danger).
    pub(crate) fn is_weakened(&self) -> bool {
        self.is_weakened
    }

    /// The claims that the rules and the mapping read.
    pub(crate) fn claim_names(&self) -> &[Box<str>] {
        &self.claim_names
    }
}

/// At most one event per second, since untrusted clients decide how often issuers are resolved.
#[cold]
fn log_weakenings(issuer: &TrustedIssuer, elapsed: Duration) {
    static LOGGED_IN: AtomicU64 = AtomicU64::new(0);
    let second = elapsed.as_secs().saturating_add(1);
    if LOGGED_IN.swap(second, Ordering::Relaxed) != second {
        let (name, weakenings) = (safe_text(issuer.issuer()), issuer.weakenings().collect::<Vec<_>>().join("; "));
        tracing::warn!(issuer = name, weakenings, "a resolved issuer is weakened by policy::danger");
    }
}

impl Drop for ResolvedIssuer {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Authorities;
    use crate::clock::SystemClock;
    use crate::key::StaticKeys;
    use crate::policy::NeedsAudience;

    /// The fields at fault in an issuer that was resolved with this mapping, and with this one pinned value.
    fn faults(mapping: Authorities, pinned: Option<(&str, &str)>) -> Vec<String> {
        let issuer = NeedsAudience::new("https://id.test", Arc::new(StaticKeys::new([]))).audience("orders");
        let issuer = pinned
            .into_iter()
            .fold(issuer.authorities(mapping), |issuer, (name, value)| issuer.required_claim_value(name, value));
        let context = SourceContext::new(Arc::new(SystemClock)).resolved(false);
        let error = ResolvedIssuer::new(issuer, &context).err();
        error.iter().flat_map(ConfigError::faults).map(|fault| fault.field.to_string()).collect()
    }

    #[test]
    fn s15_05_a_resolved_issuer_names_no_tenant_of_another() {
        let at = || Authorities::new().tenant_at("/org");
        let (fine, faulty) = (Vec::<String>::new(), ["tenant"]);
        assert_eq!(faults(at(), None), faulty);
        assert_eq!(faults(at(), Some(("plan", "acme"))), faulty, "another claim is pinned");
        assert_eq!(faults(at(), Some(("org", "acme"))), fine);
        assert_eq!(faults(at().tenant_prefix("acme."), None), fine);
        assert_eq!(faults(at().tenants_of("https://id.test"), None), fine);
        assert_eq!(faults(Authorities::new().tenant("acme"), None), fine);
    }
}
