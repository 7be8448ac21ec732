//! The schema, and the statements that are prepared once for each connection.

/// Runs under a lock, because `IF NOT EXISTS` fails if two instances start at the same time.
pub(super) const SCHEMA: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7018325019);
    CREATE TABLE IF NOT EXISTS countersign_keys (only_row bool PRIMARY KEY CHECK (only_row), version bigint, keys bytea);
    CREATE TABLE IF NOT EXISTS countersign_ids (list smallint, digest bytea, client text NOT NULL, expires_at bigint NOT NULL,
        PRIMARY KEY (list, digest));
    ALTER TABLE countersign_ids ADD COLUMN IF NOT EXISTS client text NOT NULL DEFAULT '';
    CREATE INDEX IF NOT EXISTS countersign_ids_by_expiry ON countersign_ids (list, expires_at);
    CREATE TABLE IF NOT EXISTS countersign_id_counts (list smallint, client text, ids bigint NOT NULL,
        PRIMARY KEY (list, client));
    INSERT INTO countersign_id_counts SELECT list, client, count(*) FROM countersign_ids GROUP BY list, client
        ON CONFLICT DO NOTHING;
    CREATE TABLE IF NOT EXISTS countersign_removed_ids (list smallint PRIMARY KEY, until bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS countersign_notice_log (only_row bool PRIMARY KEY CHECK (only_row), id text NOT NULL,
        last bigint NOT NULL, removed_until bigint NOT NULL);
    INSERT INTO countersign_notice_log VALUES (true, md5(random()::text || clock_timestamp()::text), 0, 0)
        ON CONFLICT DO NOTHING;
    CREATE TABLE IF NOT EXISTS countersign_notices (digest bytea PRIMARY KEY, sequence bigint NOT NULL, client text NOT NULL,
        kind smallint NOT NULL, name bytea NOT NULL, before bigint NOT NULL, expires_at bigint NOT NULL);
    CREATE INDEX IF NOT EXISTS countersign_notices_by_sequence ON countersign_notices (sequence);
    CREATE INDEX IF NOT EXISTS countersign_notices_by_expiry ON countersign_notices (expires_at);
    CREATE TABLE IF NOT EXISTS countersign_notice_counts (client text PRIMARY KEY, notices bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS countersign_secret_hashes (client text PRIMARY KEY, hash text NOT NULL);
    CREATE TABLE IF NOT EXISTS countersign_status_next (only_row bool PRIMARY KEY CHECK (only_row), next bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS countersign_status_lists (list bigint PRIMARY KEY, ends_at bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS countersign_status_revoked (index bigint PRIMARY KEY);
    COMMIT;
";

/// The most ids that one statement removes.
pub(super) const MAX_REMOVED: i64 = 10_000;

pub(super) const READ_KEYS: &str = "SELECT version, keys FROM countersign_keys";

pub(super) const INSERT_KEYS: &str = "INSERT INTO countersign_keys VALUES (true, 1, $1) ON CONFLICT DO NOTHING";

/// All sessions of the database receive it: an issuer in another schema reads its keys once more.
pub(super) const KEYS_CHANNEL: &str = "countersign_keys";

pub(super) const NOTIFY_KEYS: &str = "NOTIFY countersign_keys";

pub(super) const UPDATE_KEYS: &str = "UPDATE countersign_keys SET version = version + 1, keys = $2 WHERE version = $1";

/// The rule of `has_room`. All parts see the tables as they were before.
pub(super) const INSERT_ID: &str = "WITH stored AS (
         SELECT coalesce(sum(ids), 0)::bigint AS total,
                coalesce(sum(ids) FILTER (WHERE client = $3), 0)::bigint AS own
         FROM countersign_id_counts WHERE list = $1
     ), room AS (
         SELECT total < $5 AND ($3 = '' OR own < $5 - total) AS is_free FROM stored
     ), added AS (
         INSERT INTO countersign_ids (list, digest, client, expires_at)
         SELECT $1, $2, $3, $4 FROM room WHERE is_free
         ON CONFLICT DO NOTHING RETURNING list, client
     ), prolonged AS (
         UPDATE countersign_ids SET expires_at = $4 WHERE list = $1 AND digest = $2 AND expires_at < $4
     ), counted AS (
         INSERT INTO countersign_id_counts AS counts (list, client, ids) SELECT list, client, 1 FROM added
         ON CONFLICT (list, client) DO UPDATE SET ids = counts.ids + 1
     )
     SELECT EXISTS (SELECT FROM added), (SELECT is_free FROM room),
            EXISTS (SELECT FROM countersign_ids WHERE list = $1 AND digest = $2),
            EXISTS (SELECT FROM countersign_removed_ids WHERE list = $1 AND $4 <= until)";

/// Never later than the clock of the database, which all instances share. At most 10,000 ids (`MAX_REMOVED`), since
/// a statement that takes over 5 s is undone.
pub(super) const REMOVE_EXPIRED: &str = "WITH expired AS (
         SELECT list, digest FROM countersign_ids
         WHERE list = $1 AND expires_at <= least($2, floor(extract(epoch FROM now()))::bigint)
         ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
     ), removed AS (
         DELETE FROM countersign_ids AS ids USING expired
         WHERE ids.list = expired.list AND ids.digest = expired.digest
         RETURNING ids.client, ids.expires_at
     ), lost AS (
         SELECT client, count(*) AS ids FROM removed GROUP BY client
     ), marked AS (
         INSERT INTO countersign_removed_ids AS marks (list, until)
         SELECT $1, max(expires_at) FROM removed HAVING count(*) > 0
         ON CONFLICT (list) DO UPDATE SET until = greatest(marks.until, excluded.until)
     ), counted AS (
         UPDATE countersign_id_counts AS counts SET ids = counts.ids - lost.ids FROM lost
         WHERE counts.list = $1 AND counts.client = lost.client
     )
     SELECT count(*) FROM removed";

pub(super) const FIND_ID: &str = "SELECT EXISTS (SELECT FROM countersign_ids WHERE list = $1 AND digest = $2),
            EXISTS (SELECT FROM countersign_removed_ids WHERE list = $1 AND $3 <= until)";

pub(super) const READ_SECRET_HASHES: &str = "SELECT client, hash FROM countersign_secret_hashes";

pub(super) const PUT_SECRET_HASH: &str =
    "INSERT INTO countersign_secret_hashes VALUES ($1, $2) ON CONFLICT (client) DO UPDATE SET hash = $2";
