//! A new epoch: everything that the durable list has, and what else the stream had.

use std::collections::HashSet;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign_core::revocation::{LogPage, RevocationLog, RevocationNotice};
use redis::{Value, cmd};

use super::base::{Base, INDEX, read_index};
use super::durable::read;
use super::entry::{Entry, EntryId, blob, entries};
use super::record::{self, Record};
use super::script::{EpochSize, Outcome, State, blobs, fill, switch};
use super::shared::Shared;
use crate::link::{Failure, Link};

/// The bytes that one step adds at most.
const STEP_BYTES: usize = 256 * 1024;

/// The entries that are read at once.
const READ_ENTRIES: usize = 500;

/// The time for which a revocation is kept after its end: the longest leeway of a policy.
const KEEP_AFTER_EXPIRY: Duration = Duration::from_secs(300);

/// The part of a durable list that a publisher has seen in a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) log: String,
    pub(super) sequence: u64,
}

/// Fills in a new epoch and begins it in place of the present one. Returns the state, or `None` if somebody else was faster.
///
/// What followed `published` becomes entries, and everything before the base: followers that had the stream before have the base
/// already, and read only what is new.
pub(super) async fn fill_again(
    link: &Link,
    shared: &Shared,
    log: &dyn RevocationLog,
    published: &Published,
    old: &State,
) -> Result<Option<State>, Failure> {
    let epoch = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let mut page = read(log, 0).await?;
    let name = page.log().to_owned();
    let mut new = Filling { link, shared, known: HashSet::new(), base: Base::of(&name), filled: 0 };
    let newest = if published.log == name { new.newest(log, published).await? } else { Vec::new() };
    loop {
        for notice in page.notices() {
            new.add(notice)?;
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
    let (filled, revocations) = (new.filled, new.known.len() as u64);
    let size = new.send(&epoch, &newest).await?;
    let size = EpochSize { filled, revocations, ..size };
    match switch(link, &shared.keys, (&old.epoch, read), (&epoch, size), (&name, sequence)).await? {
        Outcome::Done(state) => {
            tracing::info!(target: "countersign::redis", entries = revocations, "stream of revocations filled");
            Ok(Some(state))
        }
        _ => Ok(None),
    }
}

/// An epoch that has not begun.
struct Filling<'f> {
    link: &'f Link,
    shared: &'f Shared,
    /// The digests of those that it has.
    known: HashSet<[u8; 32]>,
    base: Base,
    /// The number of those in the base.
    filled: u64,
}

impl Filling<'_> {
    /// The forms of the revocations of the list that followed those that were published. They get no place in the base.
    async fn newest(&mut self, log: &dyn RevocationLog, published: &Published) -> Result<Vec<Vec<u8>>, Failure> {
        let (mut after, mut newest) = (published.sequence, Vec::new());
        loop {
            let page: LogPage = read(log, after).await?;
            for notice in page.notices() {
                let form = record::write(notice);
                for record in self.read(&form) {
                    if self.is_new(&record)? {
                        newest.push(form.clone());
                    }
                }
            }
            // A list that is no longer the same is found out by the caller.
            if page.is_last() || page.end() <= after {
                return Ok(newest);
            }
            after = page.end();
        }
    }

    fn add(&mut self, notice: &RevocationNotice) -> Result<(), Failure> {
        let form = record::write(notice);
        for record in self.read(&form) {
            if self.is_new(&record)? {
                self.filled += 1;
                self.base.add(&record, &form);
            }
        }
        Ok(())
    }

    fn read(&self, form: &[u8]) -> Vec<Record> {
        record::read(form, &self.shared.issuer).unwrap_or_default()
    }

    fn is_new(&mut self, record: &Record) -> Result<bool, Failure> {
        let is_new = self.known.insert(record.digest);
        if self.known.len() as u64 > self.shared.max_entries {
            return Err(Failure::Refused("the stream of revocations has no room for more"));
        }
        Ok(is_new)
    }

    /// Sends the base and the entries. An epoch has at least one entry, so that its stream is there.
    async fn send(self, epoch: &str, newest: &[Vec<u8>]) -> Result<EpochSize, Failure> {
        let keys = &self.shared.keys;
        let (mut fields, mut bytes, mut size) = (Vec::new(), 0, EpochSize::default());
        for (field, value) in self.base.into_fields() {
            bytes += field.len() + value.len();
            fields.push((field, value));
            size.fields += 1;
            if bytes >= STEP_BYTES {
                fill(self.link, keys, epoch, &fields, &[]).await?;
                (fields, bytes) = (Vec::new(), 0);
            }
        }
        let mut entries = blobs(newest);
        if entries.is_empty() {
            entries.push(Vec::new());
        }
        size.entries = entries.len() as u64;
        fill(self.link, keys, epoch, &fields, &[]).await?;
        for entries in entries.chunks(STEP_BYTES / super::script::BLOB_BYTES) {
            fill(self.link, keys, epoch, &[], entries).await?;
        }
        Ok(size)
    }

    /// Adds what the epoch before has and the list has not, such as revocations by sinks. Returns the number of its entries.
    async fn add_those_of(&mut self, old: &State) -> Result<u64, Failure> {
        // Whichever clock is behind decides what is over.
        let now = SystemClock.now().min(UnixTime::from_secs(old.now / 1000));
        self.add_base_of(old, now).await?;
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
            for blob in found.iter().filter_map(Entry::blob) {
                self.add_living(blob, now)?;
            }
        }
    }

    /// Adds what the base of the epoch before has, as far as it can be read.
    async fn add_base_of(&mut self, old: &State, now: UnixTime) -> Result<(), Failure> {
        let key = self.shared.keys.base(&old.epoch);
        let index = self.field(&key, INDEX.to_vec()).await?;
        let Some(index) = blob(&index).and_then(read_index) else { return Ok(()) };
        for part in index.parts {
            for piece in 0..part.pieces {
                let piece = self.field(&key, part.part.field(piece)).await?;
                if let Some(bytes) = blob(&piece) {
                    self.add_living(bytes, now)?;
                }
            }
        }
        Ok(())
    }

    async fn field(&self, key: &str, field: Vec<u8>) -> Result<Value, Failure> {
        let mut command = cmd("HMGET");
        command.arg(key).arg(field);
        match self.link.send(&command).await?.map_err(|error| Link::failure(&error))? {
            Value::Array(mut values) => Ok(values.pop().unwrap_or(Value::Nil)),
            _ => Err(Failure::Refused("the server's answer to HMGET is not readable")),
        }
    }

    /// Adds those of these revocations that are not over. What is none is left out.
    fn add_living(&mut self, bytes: &[u8], now: UnixTime) -> Result<(), Failure> {
        let is_living = |record: &Record| now < record.notice.expires_at().saturating_add(KEEP_AFTER_EXPIRY);
        for record in self.read(bytes).into_iter().filter(is_living) {
            self.add(&record.notice)?;
        }
        Ok(())
    }
}
