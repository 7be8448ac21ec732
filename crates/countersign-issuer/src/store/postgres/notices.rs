//! Revocations in PostgreSQL: their tables and statements.

use countersign_core::clock::UnixTime;
use countersign_core::revocation::RevokedTokens;
use countersign_postgres::{Connection, Database, DatabaseError, QueryResult, Row, ToSql};

use crate::store::Insertion;
use crate::store::revocations::{Columns, FoundNotices, NoticePage, PAGE, StoredNotice};
use crate::store::share::Room;

/// Locks the row of the list until the transaction ends, so that numbers become readable in their order.
const PUT: &str = "WITH known AS (
         SELECT before, expires_at FROM countersign_notices WHERE digest = $1
     ), stored AS (
         SELECT coalesce(sum(notices), 0)::bigint AS total,
                coalesce(sum(notices) FILTER (WHERE client = $2), 0)::bigint AS own
         FROM countersign_notice_counts
     ), room AS (
         SELECT total < $7 AND ($2 = '' OR own < $7 - total) AS is_free FROM stored
     ), numbered AS (
         UPDATE countersign_notice_log SET last = last + 1
         WHERE EXISTS (SELECT FROM known WHERE before < $5 OR expires_at < $6)
            OR (NOT EXISTS (SELECT FROM known) AND (SELECT is_free FROM room))
         RETURNING last
     ), added AS (
         INSERT INTO countersign_notices AS notices (digest, sequence, client, kind, name, before, expires_at)
         SELECT $1, last, $2, $3, $4, $5, $6 FROM numbered
         ON CONFLICT (digest) DO UPDATE SET sequence = excluded.sequence,
             before = greatest(notices.before, excluded.before),
             expires_at = greatest(notices.expires_at, excluded.expires_at)
         RETURNING client, xmax = 0 AS is_new
     ), counted AS (
         INSERT INTO countersign_notice_counts AS counts (client, notices) SELECT client, 1 FROM added WHERE is_new
         ON CONFLICT (client) DO UPDATE SET notices = counts.notices + 1
     )
     SELECT EXISTS (SELECT FROM added WHERE is_new), EXISTS (SELECT FROM added) OR EXISTS (SELECT FROM known)";

/// Never later than the clock of the database, and at most 10,000, since a statement that takes over 5 s is undone.
const REMOVE_EXPIRED: &str = "WITH expired AS (
         SELECT digest FROM countersign_notices
         WHERE expires_at <= least($1, floor(extract(epoch FROM now()))::bigint)
         ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
     ), removed AS (
         DELETE FROM countersign_notices AS notices USING expired WHERE notices.digest = expired.digest
         RETURNING notices.client, notices.expires_at
     ), marked AS (
         UPDATE countersign_notice_log SET removed_until = greatest(removed_until, (SELECT max(expires_at) FROM removed))
         WHERE EXISTS (SELECT FROM removed)
     )
     UPDATE countersign_notice_counts AS counts SET notices = counts.notices - lost.notices
     FROM (SELECT client, count(*) AS notices FROM removed GROUP BY client) AS lost WHERE counts.client = lost.client";

const READ: &str = "SELECT log.id, log.last, page.sequence, page.kind, page.name, page.before, page.expires_at
     FROM countersign_notice_log AS log LEFT JOIN (
         SELECT * FROM countersign_notices WHERE sequence > $1 ORDER BY sequence LIMIT $2
     ) AS page ON true ORDER BY page.sequence";

const FIND: &str =
    "SELECT log.removed_until >= $2, 0::bigint, found.sequence, found.kind, found.name, found.before, found.expires_at
     FROM countersign_notice_log AS log LEFT JOIN (
         SELECT * FROM countersign_notices WHERE digest = ANY($1)
     ) AS found ON true";

/// Stores a revocation, and makes room if there is none.
pub(super) fn put(
    database: &Database,
    client: &str,
    digest: &[u8; 32],
    (tokens, expires_at): (&RevokedTokens, UnixTime),
    room: Room<'_>,
) -> Result<Insertion, DatabaseError> {
    let Some(Columns { kind, name, before }) = Columns::of(tokens) else { return Ok(Insertion::Full) };
    let (client, digest, kind, name) = (client.to_owned(), digest.to_vec(), i16::from(kind), name.as_bytes().to_vec());
    let [before, expires_at, max, expired] = [before, expires_at.as_secs(), room.max, room.expired_before.as_secs()]
        .map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    let may_sweep = room.is_sweep_due();
    let (stored, has_swept) = database.run(async move |connection: &Connection| {
        let put = async || -> QueryResult<Insertion> {
            let values: [&(dyn ToSql + Sync); 7] = [&digest, &client, &kind, &name, &before, &expires_at, &max];
            let rows = connection.query(PUT, &values).await?;
            let is = |column| rows.first().map_or(Ok(false), |row| row.try_get::<_, bool>(column));
            Ok(match (is(0)?, is(1)?) {
                (true, _) => Insertion::New,
                (false, true) => Insertion::Present,
                (false, false) => Insertion::Full,
            })
        };
        match put().await? {
            Insertion::Full if may_sweep => {
                let removed = connection.execute(REMOVE_EXPIRED, &[&expired]).await?;
                Ok((put().await?, removed == 0))
            }
            stored => Ok((stored, false)),
        }
    })?;
    if has_swept {
        room.swept(); // else there may be more
    }
    Ok(stored)
}

/// Reads the page after this number.
pub(super) fn after(database: &Database, sequence: u64) -> Result<NoticePage, DatabaseError> {
    let (sequence, limit) = (i64::try_from(sequence).unwrap_or(i64::MAX), i64::try_from(PAGE).unwrap_or(i64::MAX));
    database.run(async move |connection: &Connection| {
        let rows = connection.query(READ, &[&sequence, &limit]).await?;
        let (log, last) = match rows.first() {
            Some(row) => (row.try_get(0)?, row.try_get::<_, i64>(1)?),
            None => (String::new(), 0),
        };
        let notices: QueryResult<Vec<_>> = rows.iter().filter_map(|row| stored(row).transpose()).collect();
        Ok(NoticePage::new(log, u64::try_from(last).unwrap_or_default(), notices?))
    })
}

/// Finds those with these digests.
pub(super) fn find(
    database: &Database,
    digests: &[[u8; 32]],
    expires_at: UnixTime,
) -> Result<FoundNotices, DatabaseError> {
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.to_vec()).collect();
    let expires_at = i64::try_from(expires_at.as_secs()).unwrap_or(i64::MAX);
    database.run(async move |connection: &Connection| {
        let rows = connection.query(FIND, &[&digests, &expires_at]).await?;
        let may_be_removed = rows.first().map_or(Ok(false), |row| row.try_get(0))?;
        let notices: QueryResult<Vec<_>> = rows.iter().filter_map(|row| stored(row).transpose()).collect();
        Ok(FoundNotices::new(notices?, may_be_removed))
    })
}

/// The revocation of a row; `None` if the row has none.
fn stored(row: &Row) -> QueryResult<Option<StoredNotice>> {
    let Some(sequence) = row.try_get::<_, Option<i64>>(2)? else { return Ok(None) };
    let (kind, name): (i16, Vec<u8>) = (row.try_get(3)?, row.try_get(4)?);
    let [sequence, before, until] =
        [sequence, row.try_get(5)?, row.try_get(6)?].map(|value: i64| u64::try_from(value).unwrap_or_default());
    let name = String::from_utf8_lossy(&name);
    let columns = Columns { kind: u8::try_from(kind).unwrap_or_default(), name: &name, before };
    Ok(columns.tokens().map(|tokens| StoredNotice::new(sequence, tokens, UnixTime::from_secs(until))))
}
