//! What is known of issuers' names, what is being asked, and what may be asked at all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::key::{SourceClock, SourceContext};
use countersign_core::policy::{IssuerLookup, ResolvedIssuer};

use super::look_up::{LookUp, NotResolved, Resolver};
use super::name::is_canonical;
use super::policy::ResolvePolicy;
use crate::refresh::Refreshed;
use crate::telemetry;

/// How many refused names are remembered.
const MAX_REFUSED: usize = 10_000;

/// The pause after a failure of the resolver, in which it is asked about no further names.
const PAUSE: Duration = Duration::from_secs(1);

/// The user's rule for names worth a question.
pub(super) type NameFilter = dyn Fn(&str) -> bool + Send + Sync;

/// What a user set.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) resolver: Arc<Resolver>,
    pub(super) name_filter: Option<Arc<NameFilter>>,
    pub(super) policy: ResolvePolicy,
    pub(super) clock: Arc<SourceClock>,
    pub(super) private_addresses_allowed: bool,
}

/// Names and what is known of them. Issuers that are held are read without a lock.
pub(super) struct Directory {
    settings: Settings,
    held: ArcSwap<HashMap<Box<str>, Arc<Entry>>>,
    desk: Mutex<Desk>,
}

/// One issuer and its place in the queue of those that make room.
pub(super) struct Entry {
    pub(super) answer: Refreshed<ResolvedIssuer, LookUp>,
    last_used: AtomicU64,
}

/// Where names that are not held are dealt with.
#[derive(Default)]
struct Desk {
    /// Names under question for the first time; no more than a second admits, for as long as a question may take.
    asked: HashMap<Box<str>, Arc<Entry>>,
    /// Until when names are refused unasked.
    refused: HashMap<Box<str>, Duration>,
    second: u64,
    asked_this_second: u32,
    paused_until: Duration,
}

/// What is to be done for a caller whose issuer is not at hand.
pub(super) enum Admission {
    /// Wait for this answer.
    Wait(Arc<Entry>),
    /// It is known by now.
    Known,
    /// Ask again after this time.
    Later(Duration),
}

impl Directory {
    pub(super) fn new(settings: Settings) -> Self {
        Directory { settings, held: ArcSwap::default(), desk: Mutex::default() }
    }

    pub(super) fn find(&self, name: &str) -> IssuerLookup {
        if let Some(entry) = self.held.load().get(name) {
            entry.touch(self.elapsed());
            return match entry.answer.usable() {
                Some(issuer) => {
                    entry.answer.refresh_if_due();
                    IssuerLookup::Trusted(issuer)
                }
                None => IssuerLookup::Unknown,
            };
        }
        if !self.is_candidate(name) || self.desk().is_refused(name, self.elapsed()) {
            return IssuerLookup::NotTrusted;
        }
        IssuerLookup::Unknown
    }

    /// Joins the question about `name`, or asks it, where strangers have not asked too much already.
    pub(super) fn admit(self: &Arc<Self>, name: &str) -> Admission {
        let elapsed = self.elapsed();
        let is_candidate = self.is_candidate(name); // the user's code: never under the lock
        let mut desk = self.desk();
        if let Some(entry) = self.held.load().get(name).or_else(|| desk.asked.get(name)) {
            return Admission::Wait(Arc::clone(entry));
        }
        if !is_candidate || desk.is_refused(name, elapsed) {
            return Admission::Known;
        }
        if let Err(pause) = desk.take_turn(&self.settings.policy, elapsed) {
            drop(desk);
            telemetry::issuer_passed_over(name, "too many names are looked up now", elapsed);
            return Admission::Later(pause);
        }
        let look_up = LookUp { directory: Arc::downgrade(self), name: name.into() };
        let answer =
            Refreshed::new(look_up, self.settings.policy.for_one_issuer(), Arc::clone(self.settings.clock.get()));
        let entry = Arc::new(Entry { answer, last_used: AtomicU64::new(elapsed.as_secs()) });
        desk.asked.insert(name.into(), Arc::clone(&entry));
        Admission::Wait(entry)
    }

    /// Asks the resolver and judges its answer.
    pub(super) async fn ask(
        &self,
        name: &str,
        held: Option<Arc<ResolvedIssuer>>,
    ) -> Result<Arc<ResolvedIssuer>, NotResolved> {
        let issuer = match (self.settings.resolver)(name.to_owned()).await {
            Ok(Some(issuer)) => issuer,
            Ok(None) => return Err(NotResolved::Refused),
            Err(error) => {
                self.tell(name, &error.to_string());
                return Err(NotResolved::Failed);
            }
        };
        if issuer.issuer() != name {
            self.tell(name, "the resolver answered with an issuer of another name");
            return Err(NotResolved::Refused);
        }
        let context = SourceContext::new(Arc::clone(self.settings.clock.get()));
        let context = context.resolved(self.settings.private_addresses_allowed);
        let resolved = ResolvedIssuer::new(issuer, &context).map_err(|error| {
            self.tell(name, &error.to_string());
            NotResolved::Refused
        })?;
        // The same rules and place of keys as before: the keys at hand, and what was verified by them, stand.
        Ok(match held {
            Some(held) if is_alike(&held, &resolved) => held,
            _ => Arc::new(resolved),
        })
    }

    /// Takes in how a question ended.
    pub(super) fn conclude(&self, name: &str, failure: Option<NotResolved>) {
        let elapsed = self.elapsed();
        let mut desk = self.desk();
        let asked = desk.asked.remove(name);
        let (was_asked, mut was_held) = (asked.is_some(), false);
        match failure {
            None => {
                if let Some(entry) = asked {
                    self.hold(name, entry);
                }
            }
            Some(NotResolved::Failed) if was_asked => desk.paused_until = elapsed.saturating_add(PAUSE),
            Some(NotResolved::Failed) => {}
            Some(NotResolved::Refused) => {
                was_held = self.drop_held(name);
                desk.refuse(name, elapsed, self.settings.policy.refused_for);
            }
        }
        drop(desk);
        match failure {
            None if was_asked => telemetry::issuer_resolved(name),
            Some(NotResolved::Refused) if was_held => telemetry::issuer_dropped(name),
            Some(NotResolved::Refused) => telemetry::issuer_passed_over(name, "the resolver does not know it", elapsed),
            _ => {}
        }
    }

    /// Drops what is known of `name`, be it good or bad.
    pub(super) fn forget(&self, name: &str) {
        let mut desk = self.desk();
        desk.asked.remove(name);
        desk.refused.remove(name);
        self.drop_held(name);
    }

    /// Gives up a first question that ended without an answer, where nobody else has heard of its end.
    pub(super) fn give_up(&self, name: &str, entry: &Arc<Entry>) {
        let mut desk = self.desk();
        if desk.asked.get(name).is_some_and(|asked| Arc::ptr_eq(asked, entry)) {
            desk.asked.remove(name);
        }
    }

    pub(super) fn issuers(&self) -> Vec<Arc<ResolvedIssuer>> {
        self.held.load().values().filter_map(|entry| entry.answer.usable()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.held.load().len()
    }

    pub(super) fn tell(&self, name: &str, error: &str) {
        telemetry::issuer_not_resolved(name, error, self.elapsed());
    }

    fn is_candidate(&self, name: &str) -> bool {
        is_canonical(name, self.settings.private_addresses_allowed)
            && self.settings.name_filter.as_ref().is_none_or(|name_filter| name_filter(name))
    }

    /// Only under the lock of the desk, as [`drop_held`](Self::drop_held). Copies the table: a look-up is rare, and a reader
    /// takes no lock.
    fn hold(&self, name: &str, entry: Arc<Entry>) {
        let mut held = HashMap::clone(&self.held.load());
        if held.len() >= self.settings.policy.max_issuers {
            let unused = held.iter().min_by_key(|(_, entry)| entry.last_used.load(Ordering::Relaxed));
            if let Some(name) = unused.map(|(name, _)| name.clone()) {
                held.remove(&name);
            }
        }
        held.insert(name.into(), entry);
        self.held.store(Arc::new(held));
    }

    fn drop_held(&self, name: &str) -> bool {
        if !self.held.load().contains_key(name) {
            return false;
        }
        let mut held = HashMap::clone(&self.held.load());
        held.remove(name);
        self.held.store(Arc::new(held));
        true
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        self.settings.clock.get().elapsed()
    }
}

impl Entry {
    fn touch(&self, elapsed: Duration) {
        let second = elapsed.as_secs();
        if self.last_used.load(Ordering::Relaxed) != second {
            self.last_used.store(second, Ordering::Relaxed);
        }
    }
}

impl Desk {
    fn is_refused(&self, name: &str, elapsed: Duration) -> bool {
        self.refused.get(name).is_some_and(|until| elapsed < *until)
    }

    /// One of the questions that this second admits, or when to come again.
    fn take_turn(&mut self, policy: &ResolvePolicy, elapsed: Duration) -> Result<(), Duration> {
        if elapsed < self.paused_until {
            return Err(self.paused_until.saturating_sub(elapsed));
        }
        if self.second != elapsed.as_secs() {
            (self.second, self.asked_this_second) = (elapsed.as_secs(), 0);
        }
        if self.asked_this_second >= policy.max_lookups_per_second {
            return Err(PAUSE);
        }
        self.asked_this_second += 1;
        Ok(())
    }

    fn refuse(&mut self, name: &str, elapsed: Duration, refused_for: Duration) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.retain(|_, until| elapsed < *until);
        }
        if self.refused.len() >= MAX_REFUSED
            && let Some(any) = self.refused.keys().next().cloned()
        {
            self.refused.remove(&any);
        }
        self.refused.insert(name.into(), elapsed.saturating_add(refused_for));
    }
}

fn is_alike(held: &ResolvedIssuer, new: &ResolvedIssuer) -> bool {
    let origin = |resolved: &ResolvedIssuer| resolved.issuer().key_source().describe().origin;
    origin(held).is_some() && origin(held) == origin(new) && held.issuer().fingerprint() == new.issuer().fingerprint()
}
