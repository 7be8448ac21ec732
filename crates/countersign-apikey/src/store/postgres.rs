//! Keys in PostgreSQL, for several instances.

use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use countersign_postgres::{Connection, Database, DatabaseError, Row};

use super::{ApiKeyStore, ApiKeyStoreError, Changes, MAX_KEYS, StoreFuture, StoredKey, blocking};

/// Runs under a lock, because `IF NOT EXISTS` fails if two instances start at the same time. Each change takes the next number of
/// the one row of revisions, which stays locked until the change is committed: so a revision that can be read has all before it.
const SCHEMA: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7018325020);
    CREATE TABLE IF NOT EXISTS countersign_api_keys (id text PRIMARY KEY, version bigint NOT NULL, revision bigint NOT NULL,
        document text, last_used_at bigint);
    CREATE INDEX IF NOT EXISTS countersign_api_keys_by_revision ON countersign_api_keys (revision);
    CREATE TABLE IF NOT EXISTS countersign_api_key_revision (only_row bool PRIMARY KEY CHECK (only_row), revision bigint NOT NULL);
    INSERT INTO countersign_api_key_revision VALUES (true, 1) ON CONFLICT DO NOTHING;
    COMMIT;
";

/// All in one statement, which sees one state of the tables. A key that was removed has no document.
const CHANGES: &str = "
    SELECT revisions.revision, keys.id, keys.document, keys.last_used_at
    FROM countersign_api_key_revision AS revisions LEFT JOIN countersign_api_keys AS keys
         ON keys.revision > CASE WHEN $1 <= revisions.revision THEN $1 ELSE 0 END";

const INSERT: &str = "
    WITH next AS (UPDATE countersign_api_key_revision SET revision = revision + 1 RETURNING revision)
    INSERT INTO countersign_api_keys (id, version, revision, document)
    SELECT $1, 1, next.revision, $2 FROM next
    WHERE (SELECT count(*) FROM countersign_api_keys WHERE document IS NOT NULL) < $3
    ON CONFLICT DO NOTHING";

const UPDATE: &str = "
    WITH next AS (UPDATE countersign_api_key_revision SET revision = revision + 1 RETURNING revision)
    UPDATE countersign_api_keys AS keys SET version = $2::bigint, revision = next.revision, document = $3 FROM next
    WHERE keys.id = $1 AND keys.version = $2::bigint - 1 AND keys.document IS NOT NULL";

const REMOVE: &str = "
    WITH next AS (UPDATE countersign_api_key_revision SET revision = revision + 1 RETURNING revision)
    UPDATE countersign_api_keys AS keys SET revision = next.revision, document = NULL FROM next
    WHERE keys.id = $1 AND keys.version = $2 AND keys.document IS NOT NULL";

const RECORD_USES: &str = "
    UPDATE countersign_api_keys AS keys SET last_used_at = greatest(keys.last_used_at, used.at)
    FROM unnest($1::text[], $2::bigint[]) AS used (id, at) WHERE keys.id = used.id";

/// Stores keys in PostgreSQL. Its address has the same rules as that of the issuer's `PostgresStore`: a Unix socket, or TCP with
/// TLS, whose certificate must have the name of the host.
///
/// ```no_run
/// use countersign_apikey::PostgresKeyStore;
/// use countersign_core::secret::Secret;
///
/// let store = PostgresKeyStore::connect(&Secret::from_env("API_KEY_DATABASE")?)?;
/// # let _ = store;
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PostgresKeyStore(Arc<Database>);

impl PostgresKeyStore {
    /// Connects and creates missing tables. `settings` have the form of libpq: `host=/run/postgresql user=shop dbname=shop`,
    /// or with a host name and, if need be, `sslrootcert`, `sslcert` and `sslkey`; `sslmode` is always `verify-full`.
    ///
    /// # Errors
    /// `ConfigError` if the settings are not usable or the database does not answer.
    pub fn connect(settings: &Secret<String>) -> Result<Self, ConfigError> {
        Ok(PostgresKeyStore(Arc::new(Database::connect(settings, "countersign-apikey", SCHEMA)?)))
    }
}

impl ApiKeyStore for PostgresKeyStore {
    fn changes(&self, after: u64) -> StoreFuture<Changes> {
        blocking(&self.0, move |database| {
            let after = number(after);
            let rows = database.run(async move |connection: &Connection| connection.query(CHANGES, &[&after]).await);
            let rows = rows.map_err(failed)?;
            read_changes(&rows, after)
        })
    }

    fn put(&self, mut key: StoredKey) -> StoreFuture<bool> {
        blocking(&self.0, move |database| {
            key.last_used_at = None;
            let document =
                serde_json::to_string(&key).map_err(|_| ApiKeyStoreError::new("the key cannot be written"))?;
            let (id, version, max_keys) = (key.id, number(key.version), number(MAX_KEYS as u64));
            let written = database.run(async move |connection: &Connection| match version {
                1 => connection.execute(INSERT, &[&id, &document, &max_keys]).await,
                _ => connection.execute(UPDATE, &[&id, &version, &document]).await,
            });
            Ok(written.map_err(failed)? == 1)
        })
    }

    fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
        blocking(&self.0, move |database| {
            let version = number(version);
            let remove = async move |connection: &Connection| connection.execute(REMOVE, &[&id, &version]).await;
            Ok(database.run(remove).map_err(failed)? == 1)
        })
    }

    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        blocking(&self.0, move |database| {
            let (ids, times): (Vec<String>, Vec<i64>) =
                uses.into_iter().map(|(id, at)| (id, number(at.as_secs()))).unzip();
            let record = async move |connection: &Connection| connection.execute(RECORD_USES, &[&ids, &times]).await;
            database.run(record).map(drop).map_err(failed)
        })
    }
}

fn read_changes(rows: &[Row], after: i64) -> Result<Changes, ApiKeyStoreError> {
    let (mut revision, mut keys, mut removed) = (0, Vec::new(), Vec::new());
    for row in rows {
        revision = row.try_get(0).map_err(failed)?;
        let id: Option<String> = row.try_get(1).map_err(failed)?;
        let document: Option<String> = row.try_get(2).map_err(failed)?;
        let last_used_at: Option<i64> = row.try_get(3).map_err(failed)?;
        match (id, document) {
            (Some(id), Some(document)) => {
                let key: StoredKey = serde_json::from_str(&document)
                    .map_err(|_| ApiKeyStoreError::new("the database has an API key of another form"))?;
                if key.id != id {
                    return Err(ApiKeyStoreError::new("the database has an API key under the id of another one"));
                }
                keys.push(StoredKey { last_used_at: last_used_at.and_then(|at| u64::try_from(at).ok()), ..key });
            }
            (Some(id), None) => removed.push(id),
            (None, _) => {}
        }
    }
    let is_complete = after == 0 || after > revision;
    let revision = u64::try_from(revision).unwrap_or_default();
    match is_complete {
        true => Ok(Changes::complete(revision, keys)),
        false => Ok(Changes::partial(revision, keys, removed)),
    }
}

fn failed(error: impl Into<DatabaseError>) -> ApiKeyStoreError {
    ApiKeyStoreError::new(error.into().to_string())
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
