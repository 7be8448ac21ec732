//! Reading of a stream, and the decision whether the list is complete.

use std::collections::HashMap;
use std::time::Duration;

use countersign::revocation::RevocationFeed;
use redis::{Cmd, Value, cmd};
use tokio::time::Instant;

use super::base::{INDEX, Indexed, Part, Sum, read_index};
use super::entry::{Beat, Entry, EntryId, blob, entries, entries_of};
use super::record::{self, Record};
use super::shared::Shared;
use crate::link::{Failure, Link};

/// The time for which the server waits for entries.
pub(super) const BLOCK: Duration = Duration::from_secs(1);

/// The entries that are read at once.
const READ_ENTRIES: usize = 500;

/// The time without a beat after which the last one is looked up again: ids may have gone back.
const LOOK_AFTER: Duration = Duration::from_secs(3);

/// The time from the request for a beat to its use: this process may have been suspended.
const FRESH: Duration = Duration::from_secs(3);

/// The progress of a follower.
pub(super) struct Reader<'r> {
    shared: &'r Shared,
    feed: &'r RevocationFeed,
    epoch: String,
    /// The last entry of the epoch that was read, and the number of them.
    last: EntryId,
    read: u64,
    /// False after an entry that is no revocation: the list lacks something that was said.
    is_sound: bool,
    /// True if the list has the base of the epoch.
    has_base: bool,
    /// The sums of those that were applied: a part of a new epoch with the same sum is not read again.
    known: HashMap<Part, Sum>,
    /// The name of the durable list that goes into the sums.
    list: Vec<u8>,
}

/// The most parts of which the sums are kept. Others are read again in each epoch.
const MAX_KNOWN_PARTS: usize = 1 << 14;

/// The pieces of a base that are read at once, and the revocations in them, unless one part has more.
const READ_PIECES: usize = 64;
const READ_REVOCATIONS: u64 = 4_000;

impl<'r> Reader<'r> {
    pub(super) fn new(shared: &'r Shared, feed: &'r RevocationFeed) -> Self {
        Reader {
            shared,
            feed,
            epoch: String::new(),
            last: EntryId::default(),
            read: 0,
            is_sound: true,
            has_base: false,
            known: HashMap::new(),
            list: Vec::new(),
        }
    }

    /// Follows on one connection, until it fails or no beat comes.
    ///
    /// The first beat that is seen says nothing about now: it may be that of an old copy. The next one of the same epoch does,
    /// because a publisher adds none to a stream that has lost something.
    pub(super) async fn watch(&mut self, link: &Link) -> Result<(), Failure> {
        let mut sent = Instant::now();
        let mut beat = self.look(link).await?;
        let mut before = None::<Beat>;
        let mut seen_at = Instant::now();
        loop {
            if let Some(beat) = &beat {
                self.catch_up(link, beat).await?;
                let is_next =
                    before.as_ref().is_some_and(|before| before.epoch == beat.epoch && before.number < beat.number);
                if is_next {
                    seen_at = Instant::now();
                    if self.has_all_of(beat) && sent.elapsed() <= FRESH {
                        self.feed.confirm();
                        link.succeeded();
                    }
                }
            }
            if seen_at.elapsed() > LOOK_AFTER {
                return Ok(());
            }
            before = beat.clone();
            sent = Instant::now();
            if let Some(next) = self.wait(link, beat.as_ref()).await? {
                if before.as_ref().is_none_or(|before| before.epoch != next.epoch) {
                    seen_at = Instant::now();
                }
                beat = Some(next);
            }
        }
    }

    /// The last beat, if there is one.
    async fn look(&self, link: &Link) -> Result<Option<Beat>, Failure> {
        let mut command = cmd("XREVRANGE");
        command.arg(self.shared.keys.beats()).arg("+").arg("-").arg("COUNT").arg(1);
        let answer = send(link, &command).await?;
        last_beat(entries(&answer))
    }

    /// Reads the entries up to those that the beat states.
    async fn catch_up(&mut self, link: &Link, beat: &Beat) -> Result<(), Failure> {
        if self.epoch != beat.epoch {
            self.epoch.clone_from(&beat.epoch);
            (self.last, self.read, self.is_sound, self.has_base) = (EntryId::default(), 0, true, false);
            self.apply_newest(link).await?;
        }
        if !self.has_base {
            self.read_base(link).await?;
            self.has_base = true;
        }
        let key = self.shared.keys.entries(&self.epoch);
        while self.last < beat.last {
            let mut command = cmd("XREAD");
            command.arg("COUNT").arg(READ_ENTRIES).arg("STREAMS").arg(&key).arg(self.last.to_string());
            let answer = send(link, &command).await?;
            let found = entries_of(&answer, &key).ok_or(Failure::NOT_OF_STREAM)?;
            if found.is_empty() {
                break;
            }
            self.apply(link, &found);
        }
        Ok(())
    }

    /// Applies the newest entries of an epoch ahead of the others: when a server comes back, all followers read everything, and
    /// what was revoked meanwhile is at the end. Nothing counts as read, so the order decides nothing else.
    async fn apply_newest(&self, link: &Link) -> Result<(), Failure> {
        let mut command = cmd("XREVRANGE");
        command.arg(self.shared.keys.entries(&self.epoch)).arg("+").arg("-").arg("COUNT").arg(READ_ENTRIES);
        let answer = send(link, &command).await?;
        for entry in entries(&answer).ok_or(Failure::NOT_OF_STREAM)? {
            // One that is no revocation, or finds no room, is met again in its turn.
            for record in entry.records(&self.shared.issuer).unwrap_or_default() {
                let _ = self.feed.apply(&record.notice);
            }
        }
        Ok(())
    }

    /// Applies those parts of the base that the list has not.
    async fn read_base(&mut self, link: &Link) -> Result<(), Failure> {
        let index = self.fields(link, &[INDEX.to_vec()]).await?;
        let Some(index) = index.first().and_then(blob).and_then(read_index) else {
            self.refuse(link);
            return Ok(());
        };
        if self.list != index.list {
            self.list = index.list;
            self.known.clear();
        }
        let is_kept = |part: &Part| index.parts.binary_search_by_key(part, |indexed| indexed.part).is_ok();
        self.known.retain(|part, _| is_kept(part));
        let lacking: Vec<Indexed> =
            index.parts.into_iter().filter(|part| self.known.get(&part.part) != Some(&part.sum)).collect();
        let mut parts = &lacking[..];
        while !parts.is_empty() {
            let (first, rest) = parts.split_at(at_once(parts));
            let fields: Vec<_> =
                first.iter().flat_map(|part| (0..part.pieces).map(|piece| part.part.field(piece))).collect();
            let mut pieces = self.fields(link, &fields).await?.into_iter();
            for part in first {
                let own: Vec<Value> = pieces.by_ref().take(usize::from(part.pieces)).collect();
                self.apply_part(link, part, &own).await;
            }
            parts = rest;
        }
        Ok(())
    }

    /// Applies a part of the base.
    async fn apply_part(&mut self, link: &Link, part: &Indexed, pieces: &[Value]) {
        let (mut found, mut applied) = (Sum::default(), Sum::default());
        for piece in pieces {
            let records = blob(piece).and_then(|bytes| record::read(bytes, &self.shared.issuer));
            for record in records.unwrap_or_default() {
                found.add(&record, &self.list);
                if self.apply_one(link, &record) {
                    applied.add(&record, &self.list);
                }
            }
            tokio::task::yield_now().await; // requests of this thread do not wait for all of them
        }
        if found != part.sum {
            self.refuse(link);
        }
        if self.known.len() < MAX_KNOWN_PARTS || self.known.contains_key(&part.part) {
            self.known.insert(part.part, applied);
        }
    }

    /// The values of fields of the base.
    async fn fields(&self, link: &Link, fields: &[Vec<u8>]) -> Result<Vec<Value>, Failure> {
        let mut command = cmd("HMGET");
        command.arg(self.shared.keys.base(&self.epoch)).arg(fields);
        match send(link, &command).await? {
            Value::Array(values) => Ok(values),
            _ => Err(Failure::NOT_OF_STREAM),
        }
    }

    /// Waits for entries, which are applied, and for a beat.
    async fn wait(&mut self, link: &Link, beat: Option<&Beat>) -> Result<Option<Beat>, Failure> {
        let (entries, beats) = (self.shared.keys.entries(&self.epoch), self.shared.keys.beats());
        let seen = beat.map_or_else(|| EntryId::default().to_string(), |beat| beat.id.to_string());
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(READ_ENTRIES).arg("BLOCK").arg(BLOCK.as_millis().to_string()).arg("STREAMS");
        command.arg(&entries).arg(&beats).arg(self.last.to_string()).arg(seen);
        let answer = send(link, &command).await?;
        let found = entries_of(&answer, &entries).ok_or(Failure::NOT_OF_STREAM)?;
        self.apply(link, &found);
        last_beat(entries_of(&answer, &beats))
    }

    fn apply(&mut self, link: &Link, found: &[Entry<'_>]) {
        for entry in found {
            (self.last, self.read) = (entry.id, self.read.saturating_add(1));
            let Some(records) = entry.records(&self.shared.issuer) else {
                self.refuse(link);
                continue;
            };
            for record in records {
                let part = Part::of(&record);
                let is_counted = self.known.len() < MAX_KNOWN_PARTS || self.known.contains_key(&part);
                if self.apply_one(link, &record) && is_counted {
                    self.known.entry(part).or_default().add(&record, &self.list);
                }
            }
        }
    }

    /// Applies a revocation; returns whether it found room.
    fn apply_one(&self, link: &Link, record: &Record) -> bool {
        let is_applied = self.feed.apply(&record.notice).is_ok();
        if !is_applied {
            link.failed(Failure::Refused("the list of revocations of this process has no room for more"));
        }
        is_applied
    }

    /// Notes that there is something that is no revocation.
    fn refuse(&mut self, link: &Link) {
        self.is_sound = false;
        link.failed(Failure::Refused("an entry of the stream is no revocation of its issuer"));
    }

    fn has_all_of(&self, beat: &Beat) -> bool {
        self.is_sound
            && self.has_base
            && self.epoch == beat.epoch
            && self.last >= beat.last
            && self.read >= beat.entries
    }
}

/// The number of parts that are read at once: at least one.
fn at_once(parts: &[Indexed]) -> usize {
    let (mut pieces, mut revocations) = (0, 0);
    let fit = parts.iter().take_while(|part| {
        pieces += usize::from(part.pieces);
        revocations += u64::from(part.sum.count());
        pieces <= READ_PIECES && revocations <= READ_REVOCATIONS
    });
    fit.count().max(1)
}

fn last_beat(found: Option<Vec<Entry<'_>>>) -> Result<Option<Beat>, Failure> {
    match found.ok_or(Failure::NOT_OF_STREAM)?.last() {
        None => Ok(None),
        Some(entry) => Beat::of(entry).map(Some).ok_or(Failure::NOT_OF_STREAM),
    }
}

async fn send(link: &Link, command: &Cmd) -> Result<Value, Failure> {
    link.send(command).await?.map_err(|error| Link::failure(&error))
}
