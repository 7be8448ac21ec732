//! Lookups of issuers: cached, refreshed in the background, shared by all callers of one name.

use std::sync::{Arc, Weak};

use countersign_core::integration::{IssuerLookup, ResolvedIssuer};

use super::issuer_cache::{Admission, Entry, IssuerCache};
use super::resolver::{NotResolved, Resolver};
use crate::refresh::{Fetch, FetchFuture, Fetched, RefreshCache};
use crate::telemetry;

/// The cached answer for one name.
pub(super) type CachedIssuer = RefreshCache<ResolvedIssuer, Lookup>;

/// The resolver with the cache of its answers.
pub(super) struct Lookups {
    resolver: Resolver,
    pub(super) cache: IssuerCache<CachedIssuer>,
}

impl Lookups {
    pub(super) fn new(resolver: Resolver) -> Self {
        let cache = IssuerCache::new(resolver.policy.clone());
        Lookups { resolver, cache }
    }

    /// The cached answer for `name`. Takes no lock for a trusted issuer.
    pub(super) fn lookup(&self, name: &str) -> IssuerLookup {
        let elapsed = self.resolver.elapsed();
        let cached = self.cache.read(name, elapsed, |issuer| match issuer.usable() {
            Some(trusted) => {
                issuer.refresh_if_due();
                IssuerLookup::Trusted(trusted)
            }
            None => IssuerLookup::Unknown,
        });
        cached.unwrap_or_else(|| {
            if !self.resolver.accepts(name) || self.cache.is_refused(name, elapsed) {
                return IssuerLookup::NotTrusted;
            }
            IssuerLookup::Unknown
        })
    }

    /// Joins the lookup of `name`, or starts one if untrusted clients have not caused too many.
    pub(super) fn admit(self: &Arc<Self>, name: &str) -> Admission<CachedIssuer> {
        let elapsed = self.resolver.elapsed();
        let is_accepted = self.resolver.accepts(name); // the user's code: never under the lock
        let admission = self.cache.admit(name, elapsed, is_accepted, || {
            let lookup = Lookup { lookups: Arc::downgrade(self), name: name.into() };
            let policy = self.resolver.policy.for_one_issuer();
            RefreshCache::new(lookup, policy, Arc::clone(self.resolver.clock.get()))
        });
        if let Admission::RetryAfter(_) = admission {
            telemetry::issuer_not_accepted(name, "lookup limit reached", elapsed);
        }
        admission
    }

    /// Drops a first lookup of `name` that ended without an answer.
    pub(super) fn abandon(&self, name: &str, entry: &Arc<Entry<CachedIssuer>>) {
        self.cache.abandon(name, entry);
    }

    fn finish(&self, name: &str, failure: Option<NotResolved>) {
        let elapsed = self.resolver.elapsed();
        let finished = self.cache.finish(name, failure, elapsed);
        match failure {
            None if finished.was_pending => telemetry::issuer_resolved(name),
            Some(NotResolved::Refused) if finished.was_cached => telemetry::issuer_removed(name),
            Some(NotResolved::Refused) => {
                telemetry::issuer_not_accepted(name, "unknown to the resolver", elapsed);
            }
            _ => {}
        }
    }
}

/// Looks one name up, for all callers that wait for it.
pub(super) struct Lookup {
    lookups: Weak<Lookups>,
    name: Box<str>,
}

impl Fetch<ResolvedIssuer> for Lookup {
    type Error = NotResolved;

    fn fetch(&self, current: Option<Arc<ResolvedIssuer>>, _: bool) -> FetchFuture<ResolvedIssuer, NotResolved> {
        let Some(lookups) = self.lookups.upgrade() else {
            return Box::pin(std::future::ready(Err(NotResolved::Failed)));
        };
        let mut call = Call { lookups, name: self.name.clone(), is_finished: false };
        Box::pin(async move {
            let result = call.lookups.resolver.resolve(&call.name, current).await;
            call.is_finished = true;
            call.lookups.finish(&call.name, result.as_ref().err().copied());
            result.map(|value| Fetched { value, lifetime: None })
        })
    }

    fn timeout_error(&self) -> NotResolved {
        NotResolved::Failed
    }
}

/// A call of the resolver. Dropping it, even unpolled, finishes the lookup.
struct Call {
    lookups: Arc<Lookups>,
    name: Box<str>,
    is_finished: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_finished {
            self.lookups.resolver.log_failure(&self.name, "the resolver did not answer in time");
            self.lookups.finish(&self.name, Some(NotResolved::Failed));
        }
    }
}
