//! Calls of the user's resolver and checks of its answers.

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::integration::{KeyMemory, ResolvedIssuer};
use countersign_core::key::SourceContext;
use countersign_core::policy::TrustedIssuer;

use super::name::is_canonical;
use super::policy::ResolvePolicy;
use crate::telemetry::{self, IssuerSamples};

/// The answer of a resolver: the issuer's rules, `None` for a name it does not know, or an error.
pub(super) type Answer = Result<Option<TrustedIssuer>, Box<dyn Error + Send + Sync>>;

/// The user's function.
pub(super) type ResolveFn = dyn Fn(String) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// The user's filter of names.
pub(super) type NameFilter = dyn Fn(&str) -> bool + Send + Sync;

/// The resolver with its settings.
#[derive(Clone)]
pub(super) struct Resolver {
    pub(super) resolve: Arc<ResolveFn>,
    pub(super) name_filter: Option<Arc<NameFilter>>,
    pub(super) policy: ResolvePolicy,
    pub(super) clock: Arc<SourceClock>,
    pub(super) private_addresses_allowed: bool,
    /// The file of names that were trusted before.
    pub(super) known_names_file: Option<Arc<Path>>,
    /// Bounds what is logged.
    pub(super) samples: Arc<IssuerSamples>,
}

/// The reason why there is no issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotResolved {
    /// The resolver does not know the name, or its answer cannot be trusted.
    Refused,
    /// The resolver failed.
    Failed,
    /// The resolver did not answer in time.
    TimedOut,
}

impl Resolver {
    /// Returns whether the name may be looked up. Calls the user's filter.
    pub(super) fn accepts(&self, name: &str) -> bool {
        is_canonical(name, self.private_addresses_allowed)
            && self.name_filter.as_ref().is_none_or(|name_filter| name_filter(name))
    }

    /// Calls the user's function and checks its answer.
    pub(super) async fn resolve(
        &self,
        name: &str,
        current: Option<Arc<ResolvedIssuer>>,
        key_memory: Arc<KeyMemory>,
    ) -> Result<Arc<ResolvedIssuer>, NotResolved> {
        let issuer = match (self.resolve)(name.to_owned()).await {
            Ok(Some(issuer)) => issuer,
            Ok(None) => return Err(NotResolved::Refused),
            Err(error) => {
                self.log_failure(name, &error.to_string());
                return Err(NotResolved::Failed);
            }
        };
        if issuer.issuer() != name {
            self.log_failure(name, "the resolver returned an issuer with another name");
            return Err(NotResolved::Refused);
        }
        let context = SourceContext::new(Arc::clone(self.clock.get())).resolved(self.private_addresses_allowed);
        let context = context.with_key_memory(key_memory);
        let resolved = ResolvedIssuer::new(issuer, &context).map_err(|error| {
            self.log_failure(name, &error.to_string());
            NotResolved::Refused
        })?;
        // With the same rules, key location and settings, the cached keys and verified tokens stay valid.
        Ok(match current {
            Some(current) if !current.is_released() && is_equivalent(&current, &resolved) => current,
            _ => Arc::new(resolved),
        })
    }

    pub(super) fn log_failure(&self, name: &str, error: &str) {
        telemetry::issuer_not_resolved(name, error, &self.samples, self.elapsed());
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.get().elapsed()
    }
}

fn is_equivalent(current: &ResolvedIssuer, new: &ResolvedIssuer) -> bool {
    let source = |resolved: &ResolvedIssuer| {
        let info = resolved.issuer().key_source().describe();
        info.origin.map(|origin| (origin, info.settings, info.weakenings))
    };
    let known = source(current);
    known.is_some() && known == source(new) && current.issuer().fingerprint() == new.issuer().fingerprint()
}
