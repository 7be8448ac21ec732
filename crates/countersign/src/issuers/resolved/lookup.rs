//! Lookups of issuers: cached, refreshed in the background, shared by all callers of one name.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use countersign_core::integration::{IssuerLookup, KeyMemory, ResolvedIssuer};

use super::entry::CachedEntry;
use super::issuer_cache::{Admission, IssuerCache};
use super::known_names;
use super::resolver::{NotResolved, Resolver};
use crate::fetch::parse_url;
use crate::refresh::{CachedValue, Fetch, FetchFuture, Fetched, RefreshCache};
use crate::{file, rt, telemetry};

/// The time in which changes of the known names are collected before the file is written.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// The cached answer for one name.
pub(super) type CachedIssuer = RefreshCache<ResolvedIssuer, Lookup>;

/// The resolver with the cache of its answers.
pub(super) struct Lookups {
    resolver: Resolver,
    pub(super) cache: IssuerCache<CachedIssuer>,
    /// The bytes of the fetched keys of all issuers.
    key_bytes: Arc<AtomicUsize>,
    is_saving: AtomicBool,
}

impl Lookups {
    pub(super) fn new(resolver: Resolver) -> Self {
        let cache = IssuerCache::new(resolver.policy.clone());
        Lookups { resolver, cache, key_bytes: Arc::default(), is_saving: AtomicBool::new(false) }
    }

    /// The cached answer for `name`. Takes no lock for a trusted issuer.
    pub(super) fn lookup(&self, name: &str) -> IssuerLookup {
        let elapsed = self.resolver.elapsed();
        let cached = self.cache.read(name, |issuer| match issuer.usable() {
            Some(trusted) => {
                if issuer.is_due() {
                    issuer.start_in_background(|| self.cache.admit_refresh(name, elapsed));
                }
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
        let host = parse_url(name).filter(|_| is_accepted).map(|url| url.authority().to_owned());
        let is_usable = |issuer: &CachedIssuer| issuer.usable().is_some();
        let (admission, others) = self.cache.admit(name, host.as_deref(), elapsed, is_usable, |name| {
            let key_memory = self.key_memory(name);
            let lookup = Lookup { lookups: Arc::downgrade(self), name: name.into(), key_memory };
            let policy = self.resolver.policy.for_one_issuer();
            RefreshCache::new(lookup, policy, Arc::clone(self.resolver.clock.get()))
        });
        others.iter().for_each(|entry| entry.issuer.start_in_background(|| true));
        if let Admission::RetryAfter(_) = admission {
            telemetry::issuer_not_accepted(name, "lookup limit reached", &self.resolver.samples, elapsed);
        }
        admission
    }

    /// Counts the memory of one issuer's keys.
    fn key_memory(self: &Arc<Self>, name: &str) -> Arc<KeyMemory> {
        let (lookups, name): (_, Box<str>) = (Arc::downgrade(self), name.into());
        Arc::new(KeyMemory::new(Arc::clone(&self.key_bytes), move || {
            if let Some(lookups) = lookups.upgrade() {
                lookups.make_room(&name);
            }
        }))
    }

    /// Evicts issuers if all keys together exceed the bound, after those of `newest` were fetched.
    fn make_room(&self, newest: &str) {
        if self.key_bytes.load(Ordering::Relaxed) <= self.resolver.policy.max_key_bytes {
            return;
        }
        let elapsed = self.resolver.elapsed();
        if self.cache.make_room(newest, elapsed) {
            let (reason, samples) = ("no room for its keys within max_key_bytes", &self.resolver.samples);
            telemetry::issuer_not_accepted(newest, reason, samples, elapsed);
        }
    }

    /// Reads the names that were trusted in an earlier run.
    pub(super) fn load_known_names(&self) {
        let Some(file) = &self.resolver.known_names_file else { return };
        match known_names::read(file) {
            Ok(names) => self.cache.load_known_names(names.into_iter().filter(|name| self.resolver.accepts(name))),
            Err(error) => telemetry::issuer_names_file(&file.display().to_string(), &error),
        }
    }

    /// Writes the names after a moment, once for all changes until then.
    fn save_known_names(self: &Arc<Self>) {
        let Some(path) = self.resolver.known_names_file.clone() else { return };
        if self.is_saving.swap(true, Ordering::SeqCst) {
            return;
        }
        let lookups = Arc::clone(self);
        let saving = Saving(lookups); // without a runtime it is dropped here, and the next change tries again
        let _ = rt::spawn(async move {
            rt::sleep(SAVE_AFTER).await;
            let turn = file::turn(&path).await; // a write that hangs is the last one
            let lookups = Arc::clone(&saving.0);
            drop(saving); // changes from now on are saved again
            let written = tokio::task::spawn_blocking(move || {
                let result = known_names::write(&path, &lookups.cache.known_names());
                drop(turn);
                if let Err(error) = result {
                    telemetry::issuer_names_file(&path.display().to_string(), &error);
                }
            });
            let _ = written.await;
        });
    }

    fn finish(self: &Arc<Self>, name: &str, failure: Option<NotResolved>) {
        let elapsed = self.resolver.elapsed();
        let finished = self.cache.finish(name, failure, elapsed);
        if finished.known_names_changed {
            self.save_known_names();
        }
        let samples = &self.resolver.samples;
        match failure {
            Some(NotResolved::TimedOut) => self.resolver.log_failure(name, "the resolver did not answer in time"),
            None if finished.was_pending => telemetry::issuer_resolved(name, samples, elapsed),
            Some(NotResolved::Refused) if finished.was_cached => telemetry::issuer_removed(name, samples, elapsed),
            Some(NotResolved::Refused) => {
                telemetry::issuer_not_accepted(name, "unknown to the resolver", samples, elapsed);
            }
            _ => {}
        }
    }
}

impl CachedEntry for CachedIssuer {
    fn last_used(&self) -> u64 {
        self.cached().map_or(0, |cached| cached.value.last_used())
    }

    fn key_bytes(&self) -> usize {
        self.cached().map_or(0, |cached| cached.value.key_bytes())
    }

    fn release(&self) {
        if let Some(cached) = self.cached() {
            cached.value.release();
        }
    }
}

/// Looks one name up, for all callers that wait for it.
pub(super) struct Lookup {
    lookups: Weak<Lookups>,
    name: Box<str>,
    /// The same for each answer.
    key_memory: Arc<KeyMemory>,
}

impl Fetch<ResolvedIssuer> for Lookup {
    type Error = NotResolved;

    fn fetch(&self, current: Option<Arc<ResolvedIssuer>>, _: bool) -> FetchFuture<ResolvedIssuer, NotResolved> {
        let Some(lookups) = self.lookups.upgrade() else {
            return Box::pin(std::future::ready(Err(NotResolved::Failed)));
        };
        let (name, key_memory) = (self.name.clone(), Arc::clone(&self.key_memory));
        Box::pin(async move {
            let resolved = lookups.resolver.resolve(&name, current, key_memory).await;
            resolved.map(|value| Fetched { value, lifetime: None })
        })
    }

    fn on_finish(&self, error: Option<&NotResolved>, _: bool, _: Option<&CachedValue<ResolvedIssuer>>) {
        if let Some(lookups) = self.lookups.upgrade() {
            lookups.finish(&self.name, error.copied());
        }
    }

    fn timeout_error(&self) -> NotResolved {
        NotResolved::TimedOut
    }
}

/// A save that is due. Dropping it permits the next one.
struct Saving(Arc<Lookups>);

impl Drop for Saving {
    fn drop(&mut self) {
        self.0.is_saving.store(false, Ordering::SeqCst);
    }
}
