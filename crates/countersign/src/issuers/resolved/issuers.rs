//! The source of issuers that a verifier is given.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::{KeyHealth, RefreshFuture, RefreshOutcome, SourceContext};
use countersign_core::policy::{IssuerLookup, IssuerSource, TrustedIssuer};

use super::directory::{Admission, Directory, Settings};
use super::look_up::NotResolved;
use super::policy::ResolvePolicy;
use crate::refresh::Look;

/// The shortest time named to those who should ask again.
const LEAST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Issuers that a function of yours finds by name, such as tenants in a database; none is trusted that it does not name.
///
/// It is asked with the exact `iss` of a token that nobody has verified, so that it should look the name up and never
/// build anything of it. Names that are no canonical `https` address are refused unasked. What it answers is held and
/// asked again in the background; a refusal is remembered too; and strangers can make it be asked only so often
/// ([`ResolvePolicy`]). While a name cannot be looked up, tokens that bear it are answered with 503.
///
/// Keys of a resolved issuer are fetched from public addresses alone: a tenant who writes `https://10.0.0.1` or a name
/// that leads there gets nowhere. The address that is connected to is what counts, and no proxy is asked.
///
/// ```
/// use std::sync::Arc;
/// use countersign::issuers::{ResolvedIssuers, oidc};
/// use countersign::verify::Verifier;
///
/// # async fn tenant_of(_issuer: &str) -> std::io::Result<Option<String>> { Ok(None) }
/// let tenants = Arc::new(ResolvedIssuers::new(|issuer: String| async move {
///     let known = tenant_of(&issuer).await?; // your database
///     Ok(known.map(|_tenant| oidc(issuer).audience("orders")))
/// }));
/// let verifier = Verifier::builder().trust_resolved(tenants.clone()).build()?;
/// tenants.forget("https://id.tenant.example"); // say, since it was deleted
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
pub struct ResolvedIssuers {
    settings: Settings,
    directory: OnceLock<Arc<Directory>>,
}

impl ResolvedIssuers {
    /// Issuers as `resolver` finds them: their rules, `Ok(None)` for a name that is not trusted, and an error where that
    /// cannot be told now.
    pub fn new<R, F>(resolver: R) -> Self
    where
        R: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<TrustedIssuer>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let settings = Settings {
            resolver: Arc::new(move |name| Box::pin(resolver(name))),
            name_filter: None,
            policy: ResolvePolicy::default(),
            clock: Arc::default(),
            private_addresses_allowed: false,
        };
        ResolvedIssuers { settings, directory: OnceLock::new() }
    }

    /// Resolves by other numbers than the defaults; senseless ones are refused when the verifier is built.
    #[must_use]
    pub fn resolve_policy(mut self, policy: ResolvePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Asks the resolver only about names that `name_filter` lets through, so that strangers with other names spend nothing.
    /// It trusts nobody: the resolver decides.
    #[must_use]
    pub fn name_filter(mut self, name_filter: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.settings.name_filter = Some(Arc::new(name_filter));
        self
    }

    /// Counts ages on this clock; it must be the verifier's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = Arc::new(clock.into());
        self
    }

    /// Lets keys be fetched from private networks and through a proxy, and from plain `http` on loopback.
    ///
    /// Whoever can name an issuer to the resolver can then make this service call what only it can reach. It is logged
    /// when a verifier is built, and `deny_danger` forbids it.
    #[must_use]
    pub fn danger_allow_private_addresses(mut self) -> Self {
        self.settings.private_addresses_allowed = true;
        self
    }

    /// Drops what is known of this issuer: its next token, also one seen before, has the resolver asked anew.
    pub fn forget(&self, issuer: &str) {
        self.directory().forget(issuer);
    }

    /// The issuers held now with the state of their keys, by name.
    #[must_use]
    pub fn report(&self) -> Vec<(String, KeyHealth)> {
        let issuers = self.directory().issuers();
        let health = |issuer: &TrustedIssuer| (issuer.issuer().to_owned(), issuer.key_source().describe().health);
        let mut report: Vec<(String, KeyHealth)> = issuers.iter().map(|resolved| health(resolved.issuer())).collect();
        report.sort_by(|one, other| one.0.cmp(&other.0));
        report
    }

    fn directory(&self) -> &Arc<Directory> {
        self.directory.get_or_init(|| Arc::new(Directory::new(self.settings.clone())))
    }
}

impl IssuerSource for ResolvedIssuers {
    fn lookup(&self, name: &str) -> IssuerLookup {
        self.directory().find(name)
    }

    fn resolve<'a>(&'a self, name: &'a str) -> RefreshFuture<'a> {
        Box::pin(async move {
            let directory = self.directory();
            let entry = match directory.admit(name) {
                Admission::Wait(entry) => entry,
                Admission::Known => return RefreshOutcome::Refreshed,
                Admission::Later(retry_after) => return RefreshOutcome::Unavailable { retry_after },
            };
            match entry.answer.get().await {
                Ok(_) | Err(Look::Looked | Look::Failed { error: Some(NotResolved::Refused), .. }) => {
                    RefreshOutcome::Refreshed
                }
                Err(Look::Failed { error, retry_after }) => {
                    if error.is_some() {
                        directory.give_up(name, &entry);
                    }
                    RefreshOutcome::Unavailable { retry_after: retry_after.max(LEAST_RETRY_AFTER) }
                }
            }
        })
    }

    fn weakenings(&self) -> Vec<&'static str> {
        let allowed = self.settings.private_addresses_allowed;
        allowed.then_some("keys of resolved issuers may be fetched from private networks").into_iter().collect()
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let mut faults = self.settings.policy.faults();
        faults.extend(self.settings.clock.attach(context));
        faults
    }
}

impl fmt::Debug for ResolvedIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedIssuers").field("held", &self.directory().len()).finish_non_exhaustive()
    }
}
