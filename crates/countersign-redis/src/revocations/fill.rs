//! A new epoch: everything that the durable list has, and what else the stream had.

use std::collections::HashSet;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign_core::integration::sha256;
use countersign_core::revocation::RevocationLog;
use redis::{Value, cmd};

use super::durable::read;
use super::entry::{EntryId, entries};
use super::script::{Outcome, State, fill, switch};
use super::shared::Shared;
use crate::link::{Failure, Link};

/// The bytes of revocations that one step adds at most.
const STEP_BYTES: usize = 256 * 1024;

/// The entries that are read at once.
const READ_ENTRIES: usize = 500;

/// The time for which a revocation is kept after its end: the longest leeway of a policy.
const KEEP_AFTER_EXPIRY: Duration = Duration::from_secs(300);

/// Fills in a new epoch and begins it in place of the present one. Returns the state, or `None` if somebody else was faster.
pub(super) async fn fill_again(
    link: &Link,
    shared: &Shared,
    log: &dyn RevocationLog,
    old: &State,
) -> Result<Option<State>, Failure> {
    let epoch = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let mut new = Filling { link, shared, epoch: &epoch, waiting: Vec::new(), bytes: 0, known: HashSet::new() };
    let mut page = read(log, 0).await?;
    let name = page.log().to_owned();
    loop {
        for notice in page.notices() {
            new.add(notice.to_json()).await?;
        }
        if page.is_last() {
            break;
        }
        page = read(log, page.end()).await?;
        if page.log() != name {
            return Ok(None); // the list was replaced meanwhile
        }
    }
    let sequence = page.end();
    let read = if old.epoch.is_empty() { 0 } else { new.add_those_of(old).await? };
    new.send().await?;
    let (filled, of_old) = (new.known.len() as u64, (old.epoch.as_str(), read));
    match switch(link, &shared.keys, of_old, (&epoch, filled), (&name, sequence)).await? {
        Outcome::Done(state) => {
            tracing::info!(target: "countersign::redis", entries = filled, "stream of revocations filled");
            Ok(Some(state))
        }
        _ => Ok(None),
    }
}

/// An epoch that has not begun.
struct Filling<'f> {
    link: &'f Link,
    shared: &'f Shared,
    epoch: &'f str,
    waiting: Vec<String>,
    bytes: usize,
    /// The digests of those that it has.
    known: HashSet<[u8; 32]>,
}

impl Filling<'_> {
    async fn add(&mut self, notice: String) -> Result<(), Failure> {
        if !self.known.insert(sha256(&notice)) {
            return Ok(());
        }
        if self.known.len() as u64 > self.shared.max_entries {
            return Err(Failure::Refused("the stream of revocations has no room for more"));
        }
        self.bytes += notice.len();
        self.waiting.push(notice);
        if self.bytes >= STEP_BYTES { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> Result<(), Failure> {
        if !self.waiting.is_empty() {
            fill(self.link, &self.shared.keys, self.epoch, &self.waiting).await?;
        }
        (self.waiting, self.bytes) = (Vec::new(), 0);
        Ok(())
    }

    /// Adds what the epoch before has and the list has not, such as revocations by sinks. Returns the number of its entries.
    async fn add_those_of(&mut self, old: &State) -> Result<u64, Failure> {
        // Whichever clock is behind decides what is over.
        let now = SystemClock.now().min(UnixTime::from_secs(old.now / 1000));
        let (key, mut after, mut count) = (self.shared.keys.entries(&old.epoch), EntryId::default(), 0);
        loop {
            let mut range = cmd("XRANGE");
            range.arg(&key).arg(format!("({after}")).arg("+").arg("COUNT").arg(READ_ENTRIES);
            let answer = self.link.send(&range).await?.map_err(|error| Link::failure(&error))?;
            let unreadable = Failure::Refused("the server's answer to XRANGE is not readable");
            let found = match &answer {
                Value::Array(_) => entries(&answer).ok_or(unreadable)?,
                _ => return Err(unreadable),
            };
            let Some(last) = found.last() else { return Ok(count) };
            (after, count) = (last.id, count + found.len() as u64);
            let notices = found.iter().filter_map(|entry| entry.notice(&self.shared.issuer));
            for notice in notices.filter(|notice| now < notice.expires_at().saturating_add(KEEP_AFTER_EXPIRY)) {
                self.add(notice.to_json()).await?;
            }
        }
    }
}
