//! Revocations in the file.

use std::collections::HashMap;

use countersign_core::clock::UnixTime;
use countersign_core::revocation::RevokedTokens;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::notice::{Columns, FoundNotices, NoticePage, PAGE, StoredNotice};
use crate::store::Insertion;
use crate::store::share::{Room, has_room};

/// The number, client, kind, name, time and expiry of each revocation, by its digest.
const NOTICES: TableDefinition<'_, [u8; 32], Row<'_>> = TableDefinition::new("notices");

/// The digest of each revocation, by its number.
const BY_SEQUENCE: TableDefinition<'_, u64, [u8; 32]> = TableDefinition::new("notices_by_sequence");

/// The number of revocations of each client.
const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("notice_counts");

/// The name of the list, the last number, and the latest expiry of those that were removed, in the only entry.
const LOG: TableDefinition<'_, (), (&str, u64, u64)> = TableDefinition::new("notice_log");

type Row<'r> = (u64, &'r str, u8, &'r str, u64, u64);

/// The tables of revocations in a database.
pub(in crate::store) struct FileNotices<'d>(pub(in crate::store) &'d Database);

impl FileNotices<'_> {
    /// Creates the tables, so that no reader finds one missing.
    pub(in crate::store) fn create_tables(write: &WriteTransaction) -> Result<(), redb::Error> {
        write.open_table(NOTICES)?;
        write.open_table(BY_SEQUENCE)?;
        write.open_table(COUNTS)?;
        let mut log = write.open_table(LOG)?;
        if log.get(())?.is_none() {
            let mut name = [0; 16];
            aws_lc_rs::rand::fill(&mut name).map_err(|_| redb::Error::Io(std::io::Error::other("no randomness")))?;
            let name = uuid::Uuid::from_bytes(name).simple().to_string();
            log.insert((), (name.as_str(), 0, 0))?;
        }
        Ok(())
    }

    pub(in crate::store) fn put(
        &self,
        client: &str,
        digest: &[u8; 32],
        (tokens, expires_at): (&RevokedTokens, UnixTime),
        room: Room<'_>,
    ) -> Result<Insertion, redb::Error> {
        let Some(columns) = Columns::of(tokens) else { return Ok(Insertion::Full) };
        let write = self.0.begin_write()?;
        let outcome;
        let mut has_swept = false;
        {
            let mut notices = write.open_table(NOTICES)?;
            let mut by_sequence = write.open_table(BY_SEQUENCE)?;
            let mut counts = write.open_table(COUNTS)?;
            let mut log = write.open_table(LOG)?;
            let (name, last, mut removed_until) = log
                .get(())?
                .map_or((String::new(), 0, 0), |log| (log.value().0.to_owned(), log.value().1, log.value().2));
            let next = last.saturating_add(1);
            let known = notices.get(digest)?.and_then(|row| {
                let (sequence, owner, kind, name, before, until) = row.value();
                let tokens = Columns { kind, name, before }.tokens()?;
                Some((owner.to_owned(), StoredNotice::new(sequence, tokens, UnixTime::from_secs(until))))
            });
            if let Some((owner, known)) = known {
                outcome = Insertion::Present;
                let Some(joined) = known.joined(tokens, expires_at) else { return Ok(outcome) };
                let Some(Columns { kind, name: of, before }) = Columns::of(&joined.tokens) else { return Ok(outcome) };
                by_sequence.remove(known.sequence)?;
                notices.insert(digest, (next, owner.as_str(), kind, of, before, joined.expires_at.as_secs()))?;
            } else {
                let mut is_free = is_room_for(&notices, &counts, client, room.max)?;
                if !is_free && room.is_sweep_due() {
                    has_swept = true;
                    let last = remove_expired(&mut notices, &mut by_sequence, &mut counts, room.expired_before)?;
                    removed_until = removed_until.max(last);
                    is_free = is_room_for(&notices, &counts, client, room.max)?;
                }
                outcome = if is_free { Insertion::New } else { Insertion::Full };
                if is_free {
                    let Columns { kind, name: of, before } = columns;
                    notices.insert(digest, (next, client, kind, of, before, expires_at.as_secs()))?;
                    let own = counts.get(client)?.map_or(0, |count| count.value());
                    counts.insert(client, own.saturating_add(1))?;
                }
            }
            let is_written = outcome != Insertion::Full;
            if is_written {
                by_sequence.insert(next, digest)?;
            }
            log.insert((), (name.as_str(), if is_written { next } else { last }, removed_until))?;
        }
        if outcome != Insertion::Full || has_swept {
            write.commit()?;
        }
        if has_swept {
            room.swept();
        }
        Ok(outcome)
    }

    pub(in crate::store) fn after(&self, sequence: u64) -> Result<NoticePage, redb::Error> {
        let read = self.0.begin_read()?;
        let (notices, by_sequence) = (read.open_table(NOTICES)?, read.open_table(BY_SEQUENCE)?);
        let log = read.open_table(LOG)?.get(())?.map(|log| (log.value().0.to_owned(), log.value().1));
        let (name, last) = log.unwrap_or_default();
        let mut page = Vec::new();
        for entry in by_sequence.range(sequence.saturating_add(1)..)?.take(PAGE) {
            let (_, digest) = entry?;
            page.extend(notices.get(digest.value())?.and_then(|row| stored(row.value())));
        }
        Ok(NoticePage::new(name, last, page))
    }

    pub(in crate::store) fn find(
        &self,
        digests: &[[u8; 32]],
        expires_at: UnixTime,
    ) -> Result<FoundNotices, redb::Error> {
        let read = self.0.begin_read()?;
        let notices = read.open_table(NOTICES)?;
        let mut found = Vec::new();
        for digest in digests {
            found.extend(notices.get(digest)?.and_then(|row| stored(row.value())));
        }
        let removed_until = read.open_table(LOG)?.get(())?.map_or(0, |log| log.value().2);
        Ok(FoundNotices::new(found, expires_at.as_secs() <= removed_until))
    }
}

fn stored((sequence, _, kind, name, before, until): Row<'_>) -> Option<StoredNotice> {
    let tokens = Columns { kind, name, before }.tokens()?;
    Some(StoredNotice::new(sequence, tokens, UnixTime::from_secs(until)))
}

fn is_room_for(
    notices: &redb::Table<'_, [u8; 32], Row<'static>>,
    counts: &redb::Table<'_, &'static str, u64>,
    client: &str,
    max: u64,
) -> Result<bool, redb::Error> {
    let own = counts.get(client)?.map_or(0, |count| count.value());
    Ok(has_room(client, max, notices.len()?, own))
}

/// Removes those that are over, and counts the others again. Returns the latest expiry of the removed ones, or 0.
fn remove_expired(
    notices: &mut redb::Table<'_, [u8; 32], Row<'static>>,
    by_sequence: &mut redb::Table<'_, u64, [u8; 32]>,
    counts: &mut redb::Table<'_, &'static str, u64>,
    expired_before: UnixTime,
) -> Result<u64, redb::Error> {
    let (mut last, mut removed, mut kept) = (0, Vec::new(), HashMap::<String, u64>::new());
    notices.retain(|_, (sequence, client, _, _, _, until)| {
        let is_kept = expired_before.as_secs() < until;
        if is_kept {
            *kept.entry(client.to_owned()).or_default() += 1;
        } else {
            last = last.max(until);
            removed.push(sequence);
        }
        is_kept
    })?;
    for sequence in removed {
        by_sequence.remove(sequence)?;
    }
    counts.retain(|_, _| false)?;
    for (client, count) in kept {
        counts.insert(client.as_str(), count)?;
    }
    Ok(last)
}
