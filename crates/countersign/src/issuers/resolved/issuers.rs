//! The public source of resolved issuers.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::integration::{IssuerLookup, IssuerSource, ResolvedIssuer};
use countersign_core::key::{KeyHealth, RefreshFuture, RefreshOutcome, SourceContext};
use countersign_core::policy::TrustedIssuer;

use super::issuer_cache::Admission;
use super::lookup::Lookups;
use super::policy::ResolvePolicy;
use super::resolver::{NotResolved, Resolver};
use crate::refresh::{Outcome, RefreshCache};

/// The shortest `Retry-After` for callers whose issuer could not be resolved.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Issuers that your function resolves by name, such as tenants in a database. No other issuer is trusted.
///
/// The function receives the exact `iss` of a token that nobody has verified: it should look the name up, and never build a
/// URL or a query from it. Names that are not canonical `https` URLs are refused without a call. Answers are cached and
/// refreshed in the background, refusals are cached too, and the rate of calls that untrusted clients can cause is limited
/// ([`ResolvePolicy`]): names that were trusted before go first, then those that most requests ask for, and each host has a
/// share. While a name cannot be resolved, its tokens are answered with 503; other names are not affected.
///
/// Keys of a resolved issuer are fetched from public addresses only: an issuer `https://10.0.0.1`, or a host name that
/// resolves to a private address, is refused. The check applies to the address of the connection, and no proxy is used.
///
/// ```
/// use std::sync::Arc;
/// use countersign::issuers::{ResolvedIssuers, oidc};
/// use countersign::verify::Verifier;
///
/// # async fn find_tenant(_issuer: &str) -> std::io::Result<Option<String>> { Ok(None) }
/// let tenants = Arc::new(ResolvedIssuers::new(|issuer: String| async move {
///     let tenant = find_tenant(&issuer).await?; // your database
///     Ok(tenant.map(|_tenant| oidc(issuer).audience("orders")))
/// }));
/// let verifier = Verifier::builder().trust_resolved(tenants.clone()).build()?;
/// tenants.forget("https://id.tenant.example"); // for example, after the tenant was deleted
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
pub struct ResolvedIssuers {
    resolver: Resolver,
    lookups: OnceLock<Arc<Lookups>>,
}

impl ResolvedIssuers {
    /// Issuers as `resolver` finds them: their rules, `Ok(None)` for a name that is not trusted, or an error if the answer is
    /// not available now.
    pub fn new<R, F>(resolver: R) -> Self
    where
        R: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<TrustedIssuer>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let resolver = Resolver {
            resolve: Arc::new(move |name| Box::pin(resolver(name))),
            name_filter: None,
            policy: ResolvePolicy::default(),
            clock: Arc::default(),
            private_addresses_allowed: false,
            known_names_file: None,
            samples: Arc::default(),
        };
        ResolvedIssuers { resolver, lookups: OnceLock::new() }
    }

    /// Sets limits and lifetimes other than the defaults; impossible ones are reported when the verifier is built.
    #[must_use]
    pub fn resolve_policy(mut self, policy: ResolvePolicy) -> Self {
        self.resolver.policy = policy;
        self
    }

    /// Sets a filter: other names are refused without a call of the resolver and without counting against its limit.
    ///
    /// A name that passes is not trusted yet: the resolver decides.
    #[must_use]
    pub fn name_filter(mut self, name_filter: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.resolver.name_filter = Some(Arc::new(name_filter));
        self
    }

    /// Sets a file for the names of issuers that were trusted, so that they are looked up first after a restart.
    ///
    /// Without it, after a restart all names are new, and wait for their turn among names that untrusted clients invent. The
    /// file is read when the verifier is built, and written a second after a change. A name in it is not trusted yet: the
    /// resolver decides.
    ///
    /// ```
    /// use countersign::issuers::{ResolvedIssuers, oidc};
    ///
    /// let tenants = ResolvedIssuers::new(|issuer: String| async move { Ok(Some(oidc(issuer).audience("orders"))) });
    /// let tenants = tenants.known_names_file("/var/lib/orders/issuers.txt");
    /// # let _ = tenants;
    /// ```
    #[must_use]
    pub fn known_names_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.resolver.known_names_file = Some(file.into().into());
        self
    }

    /// Allows keys to be fetched from private networks, through a proxy, and over plain `http` on loopback.
    ///
    /// Whoever chooses an issuer's name can then make this service call internal addresses. A warning is logged when a
    /// verifier is built, and `deny_danger` forbids it.
    #[must_use]
    pub fn danger_allow_private_addresses(mut self) -> Self {
        self.resolver.private_addresses_allowed = true;
        self
    }

    /// Drops the cached answer for this issuer: the resolver is called again for its next token, even one verified before.
    ///
    /// Call it after a tenant was removed or changed, and after one was registered: its name may have been asked for before,
    /// and the refusal is cached.
    pub fn forget(&self, issuer: &str) {
        self.lookups().cache.forget(issuer);
    }

    /// The cached issuers with the state of their keys, sorted by name.
    #[must_use]
    pub fn report(&self) -> Vec<(String, KeyHealth)> {
        let health = |resolved: &ResolvedIssuer| {
            let issuer = resolved.issuer();
            (issuer.issuer().to_owned(), issuer.key_source().describe().health)
        };
        let issuers = self.lookups().cache.read_all(RefreshCache::usable);
        let mut report: Vec<(String, KeyHealth)> = issuers.iter().map(|resolved| health(resolved)).collect();
        report.sort_by(|one, other| one.0.cmp(&other.0));
        report
    }

    fn lookups(&self) -> &Arc<Lookups> {
        self.lookups.get_or_init(|| Arc::new(Lookups::new(self.resolver.clone())))
    }
}

impl IssuerSource for ResolvedIssuers {
    fn lookup(&self, name: &str) -> IssuerLookup {
        self.lookups().lookup(name)
    }

    fn resolve<'a>(&'a self, name: &'a str) -> RefreshFuture<'a> {
        Box::pin(async move {
            let lookups = self.lookups();
            let entry = match lookups.admit(name) {
                Admission::Wait(entry) => entry,
                Admission::Known => return RefreshOutcome::Refreshed,
                Admission::RetryAfter(retry_after) => {
                    return RefreshOutcome::Unavailable { retry_after: retry_after.max(MIN_RETRY_AFTER) };
                }
            };
            match entry.issuer.get().await {
                Ok(_) | Err(Outcome::Refreshed | Outcome::Failed { error: Some(NotResolved::Refused), .. }) => {
                    RefreshOutcome::Refreshed
                }
                Err(Outcome::Deferred { retry_after } | Outcome::Failed { retry_after, .. }) => {
                    RefreshOutcome::Unavailable { retry_after: retry_after.max(MIN_RETRY_AFTER) }
                }
            }
        })
    }

    fn weakenings(&self) -> Vec<&'static str> {
        let allowed = self.resolver.private_addresses_allowed;
        allowed.then_some("keys of resolved issuers may be fetched from private networks").into_iter().collect()
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let mut faults = self.resolver.policy.faults();
        faults.extend(self.resolver.clock.attach(context.clock()));
        self.lookups().load_known_names();
        faults
    }
}

impl fmt::Debug for ResolvedIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedIssuers").field("cached", &self.lookups().cache.len()).finish_non_exhaustive()
    }
}
