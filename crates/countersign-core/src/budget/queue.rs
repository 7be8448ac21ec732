//! The order among keys that wait for a unit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::occupancy::{OccupancyBudget, Permit};
use super::rate::RateBudget;
use super::shares::Standing;

/// Every this many units, one goes by lot.
const LOT_EVERY: u64 = 2;

/// The requests drawn for one unit until one of them is for a key that may have it.
const MAX_DRAWS: usize = 16;

/// Keys that wait for a unit of a budget. Known keys go first. Of the others, every second unit goes to the key that most
/// requests ask for, or to the oldest such key, and every second one by lot to the key of one of the latest requests.
///
/// The rank limits the wait of a key that is asked for again and again: an untrusted client that invents keys must send as
/// many requests for each of them. The lot gives a key that is asked for a few times its share of the requests, although
/// somebody sends a few more for each invented one. A key is remembered for a time after its last request, whether or not a
/// caller still waits. If the queue is full, the key with the fewest and oldest requests is dropped.
///
/// Keys belong to groups, such as the hosts of URLs, so that one group without a unit does not delay the others.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::integration::{RankedQueue, RateBudget, Standing};
///
/// let mut queue = RankedQueue::new(1_000, Duration::from_secs(5));
/// let lookups = RateBudget::new(20, Duration::from_secs(1));
/// let now = Duration::ZERO;
/// queue.request("a.example", "https://a.example/invented", Standing::New, now, ());
/// queue.request("b.example", "https://b.example/tenant", Standing::New, now, ());
/// queue.request("b.example", "https://b.example/tenant", Standing::New, now, ());
/// let next = queue.grant(&lookups, now);
/// assert_eq!(next.map(|(key, ())| key).as_deref(), Some("https://b.example/tenant"));
/// ```
pub struct RankedQueue<V> {
    max_keys: usize,
    remember_for: Duration,
    requests: u64,
    waiting: HashMap<Arc<str>, Waiting<V>>,
    groups: HashMap<Arc<str>, BTreeMap<Rank, Arc<str>>>,
    /// The best key of each group.
    heads: BTreeMap<Rank, Arc<str>>,
    /// The worst key is dropped first.
    by_age: BTreeMap<(Standing, u32, u64), Arc<str>>,
    /// The key of each of the latest requests, of which lots are drawn.
    latest: VecDeque<Arc<str>>,
    granted: u64,
    /// The hashes of the numbers of draws are lots that nobody outside can predict.
    lots: RandomState,
    draws: u64,
}

/// The answer for the first key of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Granted,
    Refused,
    /// Refused, as all keys of a lower rank are.
    NotBelow,
}

impl<T, E> From<Result<T, E>> for Admission {
    fn from(spent: Result<T, E>) -> Self {
        if spent.is_ok() { Admission::Granted } else { Admission::Refused }
    }
}

fn is_newcomer(standing: Standing, count: u32) -> bool {
    standing == Standing::New && count < 2
}

/// Higher ranks go first. The last part is unique.
type Rank = (Standing, u32, Reverse<u64>);

struct Waiting<V> {
    group: Arc<str>,
    standing: Standing,
    count: u32,
    first_request: u64,
    last_request: u64,
    last_at: Duration,
    value: V,
}

impl<V> Waiting<V> {
    fn rank(&self) -> Rank {
        (self.standing, self.count, Reverse(self.first_request))
    }

    fn age(&self) -> (Standing, u32, u64) {
        (self.standing, self.count, self.last_request)
    }
}

impl<V> RankedQueue<V> {
    /// A queue of at most `max_keys`, each remembered for `remember_for` after its last request.
    #[must_use]
    pub fn new(max_keys: usize, remember_for: Duration) -> Self {
        RankedQueue {
            max_keys: max_keys.max(1),
            remember_for,
            requests: 0,
            waiting: HashMap::new(),
            groups: HashMap::new(),
            heads: BTreeMap::new(),
            by_age: BTreeMap::new(),
            latest: VecDeque::new(),
            granted: 0,
            lots: RandomState::new(),
            draws: 0,
        }
    }

    /// Counts a request for `key` of `group`. The latest `value` replaces an earlier one.
    pub fn request(&mut self, group: &str, key: &str, standing: Standing, elapsed: Duration, value: V) {
        self.requests += 1;
        let now = self.requests;
        let earlier = self.take(key);
        let earlier = earlier.filter(|(_, earlier)| elapsed <= earlier.last_at.saturating_add(self.remember_for));
        let (key, count, first_request) = match earlier {
            Some((key, earlier)) => (key, earlier.count.saturating_add(1), earlier.first_request),
            None => (Arc::from(key), 1, now),
        };
        if self.waiting.len() >= self.max_keys
            && let Some(worst) = self.by_age.first_key_value().map(|(_, key)| Arc::clone(key))
        {
            self.take(&worst);
        }
        let group = self.groups.get_key_value(group).map_or_else(|| Arc::from(group), |(group, _)| Arc::clone(group));
        let entry = Waiting { group, standing, count, first_request, last_request: now, last_at: elapsed, value };
        let members = self.groups.entry(Arc::clone(&entry.group)).or_default();
        if let Some((head, _)) = members.last_key_value() {
            self.heads.remove(head);
        }
        members.insert(entry.rank(), Arc::clone(&key));
        if let Some((head, _)) = members.last_key_value() {
            self.heads.insert(*head, Arc::clone(&entry.group));
        }
        self.by_age.insert(entry.age(), Arc::clone(&key));
        if self.latest.len() >= self.max_keys {
            self.latest.pop_front();
        }
        self.latest.push_back(Arc::clone(&key));
        self.waiting.insert(key, entry);
    }

    /// Spends a unit of `budget` for the next key whose group has one left, and removes and returns that key.
    ///
    /// Groups share the budget. A key counts as known once it was requested twice, so that keys that somebody invents for one
    /// request each leave half of the budget to others.
    pub fn grant(&mut self, budget: &RateBudget, elapsed: Duration) -> Option<(Arc<str>, V)> {
        budget.check(elapsed).ok()?;
        // All newcomers are refused alike: a flood of them must not cost a check of each.
        let is_closed = budget.is_full_for_newcomers(elapsed);
        self.next(elapsed, &mut |group, standing, count| match is_newcomer(standing, count) {
            true if is_closed => Admission::NotBelow,
            true => budget.spend(group, Standing::New, elapsed).into(),
            false => budget.spend(group, Standing::Known, elapsed).into(),
        })
    }

    /// As [`grant`](Self::grant), for units that are in use at the same time. The permit returns the unit when it is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_core::integration::{OccupancyBudget, RankedQueue, Standing};
    ///
    /// let mut queue = RankedQueue::new(1_000, Duration::from_secs(5));
    /// let calls = OccupancyBudget::new(1);
    /// queue.request("client", "token", Standing::Known, Duration::ZERO, ());
    /// let permit = queue.grant_permit(&calls, Duration::ZERO).map(|(.., permit)| permit);
    /// assert!(permit.is_some() && calls.in_use() == 1);
    /// ```
    pub fn grant_permit(&mut self, budget: &OccupancyBudget, elapsed: Duration) -> Option<(Arc<str>, V, Permit)> {
        if self.is_empty() || budget.is_full() {
            return None;
        }
        let is_closed = budget.is_full_for_newcomers();
        let mut granted = None;
        let (key, value) = self.next(elapsed, &mut |group, standing, count| {
            let standing = match is_newcomer(standing, count) {
                true if is_closed => return Admission::NotBelow,
                true => Standing::New,
                false => Standing::Known,
            };
            granted = budget.acquire(group, standing).ok();
            if granted.is_some() { Admission::Granted } else { Admission::Refused }
        })?;
        granted.map(|permit| (key, value, permit))
    }

    /// Removes and returns the next key that `admit` accepts.
    fn next(
        &mut self,
        elapsed: Duration,
        admit: &mut dyn FnMut(&str, Standing, u32) -> Admission,
    ) -> Option<(Arc<str>, V)> {
        let is_known_first =
            self.heads.last_key_value().is_some_and(|((standing, ..), _)| *standing == Standing::Known);
        let is_by_lot = !is_known_first && self.granted % LOT_EVERY == LOT_EVERY - 1;
        let drawn = if is_by_lot { self.draw(elapsed, &mut *admit) } else { None };
        let next = drawn.or_else(|| self.pop(elapsed, admit))?;
        self.granted += 1;
        Some(next)
    }

    /// Removes and returns the key of one of the latest requests, if `admit` accepts it.
    fn draw(
        &mut self,
        elapsed: Duration,
        mut admit: impl FnMut(&str, Standing, u32) -> Admission,
    ) -> Option<(Arc<str>, V)> {
        for _ in 0..MAX_DRAWS {
            self.draws += 1;
            let lot = usize::try_from(self.lots.hash_one(self.draws) >> 33).unwrap_or_default();
            let key = Arc::clone(self.latest.get(lot % self.latest.len().max(1))?);
            let Some(entry) = self.waiting.get(&key) else { continue };
            let is_remembered = elapsed <= entry.last_at.saturating_add(self.remember_for);
            if is_remembered && admit(&entry.group, entry.standing, entry.count) == Admission::Granted {
                return self.take(&key).map(|(key, entry)| (key, entry.value));
            }
        }
        None
    }

    /// Removes and returns the first key that `admit` accepts. It is called for the first key of each group, best first.
    fn pop(
        &mut self,
        elapsed: Duration,
        mut admit: impl FnMut(&str, Standing, u32) -> Admission,
    ) -> Option<(Arc<str>, V)> {
        let mut below: Option<Rank> = None;
        loop {
            let next = match below {
                None => self.heads.last_key_value(),
                Some(rank) => self.heads.range(..rank).next_back(),
            };
            let (rank, group) = next.map(|(rank, group)| (*rank, Arc::clone(group)))?;
            let key = self.groups.get(&group).and_then(|members| members.get(&rank)).cloned()?;
            let last_at = self.waiting.get(&key)?.last_at;
            if elapsed > last_at.saturating_add(self.remember_for) {
                self.take(&key); // its group may have another head, below this rank
                continue;
            }
            match admit(&group, rank.0, rank.1) {
                Admission::Granted => return self.take(&key).map(|(key, entry)| (key, entry.value)),
                Admission::Refused => below = Some(rank),
                Admission::NotBelow => return None,
            }
        }
    }

    /// Drops `key`.
    pub fn remove(&mut self, key: &str) {
        self.take(key);
    }

    /// The number of keys that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether no key waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, key: &str) -> Option<(Arc<str>, Waiting<V>)> {
        let (key, entry) = self.waiting.remove_entry(key)?;
        self.by_age.remove(&entry.age());
        if let Some(members) = self.groups.get_mut(&entry.group) {
            members.remove(&entry.rank());
            if self.heads.remove(&entry.rank()).is_some()
                && let Some((head, _)) = members.last_key_value()
            {
                self.heads.insert(*head, Arc::clone(&entry.group));
            }
            if members.is_empty() {
                self.groups.remove(&entry.group);
            }
        }
        Some((key, entry))
    }
}

impl<V> fmt::Debug for RankedQueue<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RankedQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn queue() -> RankedQueue<()> {
        RankedQueue::new(100, SECOND * 5)
    }

    fn next(queue: &mut RankedQueue<()>, elapsed: Duration) -> Option<String> {
        queue.pop(elapsed, |_, _, _| Admission::Granted).map(|(key, ())| key.to_string())
    }

    #[test]
    fn s15_03_known_keys_go_first_then_the_most_requested_then_the_oldest() {
        let mut queue = queue();
        for (key, standing) in [
            ("first", Standing::New),
            ("second", Standing::New),
            ("often", Standing::New),
            ("known", Standing::Known),
            ("often", Standing::New),
        ] {
            queue.request(key, key, standing, SECOND, ());
        }
        let order: Vec<_> = std::iter::from_fn(|| next(&mut queue, SECOND)).collect();
        assert_eq!(order, ["known", "often", "first", "second"]);
        assert!(queue.is_empty() && queue.groups.is_empty() && queue.heads.is_empty() && queue.by_age.is_empty());
    }

    #[test]
    fn s15_01_a_flood_of_invented_keys_costs_bounded_memory_and_no_popular_key_its_place() {
        let mut queue = queue();
        queue.request("tenant", "tenant", Standing::New, SECOND, ());
        queue.request("tenant", "tenant", Standing::New, SECOND, ());
        for n in 0..10_000 {
            queue.request(&format!("host-{n}"), &format!("key-{n}"), Standing::New, SECOND, ());
        }
        assert_eq!((queue.len(), queue.groups.len(), queue.by_age.len()), (100, 100, 100));
        assert_eq!(next(&mut queue, SECOND).as_deref(), Some("tenant"));
        assert_eq!(next(&mut queue, SECOND).as_deref(), Some("key-9901"), "older ones were dropped first");
    }

    #[test]
    fn s15_02_a_group_without_a_unit_does_not_delay_the_others() {
        let mut queue = queue();
        for n in 0..50 {
            let path = format!("busy/{n}");
            (0..9).for_each(|_| queue.request("busy", &path, Standing::New, SECOND, ()));
        }
        queue.request("quiet", "quiet/1", Standing::New, SECOND, ());
        let mut asked = Vec::new();
        let next = queue.pop(SECOND, |group, _, _| {
            asked.push(group.to_owned());
            if group == "quiet" { Admission::Granted } else { Admission::Refused }
        });
        assert_eq!(next.map(|(key, ())| key.to_string()).as_deref(), Some("quiet/1"));
        assert_eq!(asked, ["busy", "quiet"], "each group is asked once");
        assert!(queue.pop(SECOND, |_, _, _| Admission::Refused).is_none());
        assert_eq!(queue.len(), 50);
    }

    #[test]
    fn a_flood_of_newcomers_that_are_all_refused_is_not_looked_at_one_by_one() {
        let mut queue = queue();
        for n in 0..100 {
            queue.request(&format!("host-{n}"), &format!("key-{n}"), Standing::New, SECOND, ());
        }
        let mut asked = 0;
        let next = queue.pop(SECOND, |_, _, _| {
            asked += 1;
            Admission::NotBelow
        });
        assert_eq!((next.is_none(), asked, queue.len()), (true, 1, 100));
    }

    #[test]
    fn a_key_is_forgotten_some_time_after_its_last_request() {
        let mut queue = queue();
        (0..5).for_each(|_| queue.request("old", "old", Standing::New, SECOND, ()));
        queue.request("new", "new", Standing::New, SECOND * 6, ());
        assert_eq!(next(&mut queue, SECOND * 7).as_deref(), Some("new"));
        assert!(queue.is_empty());
        (0..5).for_each(|_| queue.request("old", "old", Standing::New, SECOND, ()));
        queue.request("old", "old", Standing::New, SECOND * 7, ());
        assert_eq!(queue.waiting["old"].count, 1, "its earlier requests no longer count");
    }

    #[test]
    fn s15_01_keys_that_are_asked_for_once_leave_half_of_the_budget_to_those_asked_for_twice() {
        let (mut queue, budget) = (queue(), RateBudget::new(20, SECOND));
        let mut granted = 0;
        for n in 0..1_000 {
            queue.request(&format!("host-{n}"), &format!("key-{n}"), Standing::New, SECOND, ());
            granted += usize::from(queue.grant(&budget, SECOND).is_some());
        }
        assert_eq!(granted, 10);
        queue.request("tenant", "tenant", Standing::New, SECOND, ());
        assert!(queue.grant(&budget, SECOND).is_none());
        queue.request("tenant", "tenant", Standing::New, SECOND, ());
        assert_eq!(queue.grant(&budget, SECOND).map(|(key, ())| key).as_deref(), Some("tenant"));
    }

    /// Returns the key that a queue grants after a first unit, when the next one goes by lot.
    fn after_the_first(queue: &mut RankedQueue<()>, elapsed: Duration) -> Option<String> {
        let budget = RateBudget::new(1_000, SECOND);
        let grant = |queue: &mut RankedQueue<()>| queue.grant(&budget, elapsed).map(|(key, ())| key.to_string());
        queue.request("first", "first", Standing::Known, elapsed, ());
        assert_eq!(grant(queue).as_deref(), Some("first"));
        grant(queue)
    }

    #[test]
    fn s15_03_no_lot_is_drawn_while_a_known_key_waits() {
        for _ in 0..20 {
            let mut queue = queue();
            for n in 0..50 {
                queue.request("new", &format!("new-{n}"), Standing::New, SECOND, ());
            }
            let budget = RateBudget::new(1_000, SECOND);
            for key in ["first", "second"] {
                queue.request("known", key, Standing::Known, SECOND, ());
            }
            let mut next = || queue.grant(&budget, SECOND).map(|(key, ())| key.to_string());
            assert_eq!([next(), next()].map(Option::unwrap_or_default), ["first", "second"]);
        }
    }

    #[test]
    fn s15_01_lots_are_drawn_of_bounded_requests_that_still_count() {
        let mut queue = queue();
        for n in 0..10_000 {
            queue.request("old", &format!("old-{}", n % 50), Standing::New, SECOND, ());
        }
        assert_eq!(queue.latest.len(), 100);
        queue.request("new", "new", Standing::New, SECOND * 60, ());
        assert_eq!(after_the_first(&mut queue, SECOND * 60).as_deref(), Some("new"), "the others are forgotten");
        let mut drawn = std::collections::HashSet::new();
        for _ in 0..200 {
            let mut queue = self::queue();
            (0..9).for_each(|_| queue.request("often", "often", Standing::New, SECOND, ()));
            queue.request("seldom", "seldom", Standing::New, SECOND, ());
            drawn.extend(after_the_first(&mut queue, SECOND));
        }
        assert_eq!(drawn.len(), 2, "a key that is asked for less often has a chance");
    }
}
