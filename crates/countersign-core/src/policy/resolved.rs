//! Issuers that are found by name while serving.

use std::fmt::Debug;
use std::sync::Arc;

use super::TrustedIssuer;
use crate::error::{ConfigError, Fault};
use crate::key::{RefreshFuture, SourceContext};

/// Finds issuers that were not known when the verifier was built, such as tenants in a database.
///
/// The verifier asks it by the exact `iss` of a token that nobody has verified yet, and trusts only an answer of that very
/// name. An implementation bounds its own work and memory: [`resolve`](Self::resolve) is called for every token whose
/// issuer is not at hand, so that single flight, a cool-down and a memory of refusals belong in it.
pub trait IssuerSource: Send + Sync + Debug + 'static {
    /// What is known of the issuer of this name, from memory alone; asked for every token, cached ones included.
    fn lookup(&self, name: &str) -> IssuerLookup;

    /// Finds out about the issuer of this name, within limits of its own.
    ///
    /// It answers `Looked` once [`lookup`](Self::lookup) can tell, and `Unavailable` where it could not be found out.
    fn resolve<'a>(&'a self, name: &'a str) -> RefreshFuture<'a>;

    /// What it weakens, in words: logged when a verifier is built, and forbidden by `deny_danger`.
    fn weakenings(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Hands down the verifier's clock and returns configuration faults; called once for every verifier that is built.
    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let _ = context;
        Vec::new()
    }
}

/// What is known of an issuer's name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IssuerLookup {
    /// It is trusted, under these rules. The very same value must come back as long as they hold: another one voids what
    /// was verified under it.
    Trusted(Arc<ResolvedIssuer>),
    /// It is not trusted.
    NotTrusted,
    /// Nobody has looked, or not for too long.
    Unknown,
}

/// An issuer found while serving, its rules judged.
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
}

impl ResolvedIssuer {
    /// Checks the rules as a verifier does when it is built, and attaches the key source to `context`.
    ///
    /// # Errors
    /// `ConfigError` with every fault of this issuer.
    pub fn new(mut issuer: TrustedIssuer, context: &SourceContext) -> Result<Self, ConfigError> {
        ConfigError::check(issuer.faults(context))?;
        let is_weakened = issuer.weakenings().next().is_some();
        for weakening in issuer.weakenings() {
            tracing::warn!(issuer = issuer.issuer(), weakening, "a resolved issuer is weakened by policy::danger");
        }
        issuer.is_resolved = true;
        let mut claim_names: Vec<Box<str>> = issuer.claim_names().map(Box::from).collect();
        claim_names.sort();
        claim_names.dedup();
        Ok(ResolvedIssuer { issuer: Arc::new(issuer), claim_names: claim_names.into(), is_weakened })
    }

    /// The issuer and its rules.
    #[must_use]
    pub fn issuer(&self) -> &Arc<TrustedIssuer> {
        &self.issuer
    }

    /// Whether it uses anything of [`danger`](super::danger).
    pub(crate) fn is_weakened(&self) -> bool {
        self.is_weakened
    }

    /// The claims that its rules and mapping read.
    pub(crate) fn claim_names(&self) -> &[Box<str>] {
        &self.claim_names
    }
}
