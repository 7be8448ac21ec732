//! Statuses in PostgreSQL.

use countersign_core::clock::UnixTime;
use countersign_postgres::{Connection, QueryResult, Row};

use super::postgres_store::{PostgresStore, failed, number};
use crate::store::StoreError;
use crate::store::status::{LIST_ENTRIES, StatusStore, indices_of, removed_before};

/// The row of the next index is locked until the end, so that two instances never get the same ones.
const RESERVE: &str = "WITH taken AS (
         INSERT INTO countersign_status_next AS own (only_row, next) VALUES (true, $1::bigint)
         ON CONFLICT (only_row) DO UPDATE SET next = own.next + $1::bigint RETURNING next - $1::bigint AS first
     ), listed AS (
         INSERT INTO countersign_status_lists AS lists (list, ends_at) SELECT first / $3::bigint, $2::bigint FROM taken
         ON CONFLICT (list) DO UPDATE SET ends_at = greatest(lists.ends_at, excluded.ends_at)
     )
     SELECT first FROM taken";

/// Never later than the clock of the database, which all instances share, less a day.
const REMOVE_ENDED: &str = "WITH ended AS (
         DELETE FROM countersign_status_lists
         WHERE list < $1::bigint AND ends_at < least($2::bigint, floor(extract(epoch FROM now()))::bigint - 86400)
         RETURNING list
     )
     DELETE FROM countersign_status_revoked AS revoked USING ended
     WHERE revoked.index >= ended.list * $3::bigint AND revoked.index < (ended.list + 1) * $3::bigint";

const LISTS: &str = "SELECT list FROM countersign_status_lists ORDER BY list";

const REVOKE: &str = "INSERT INTO countersign_status_revoked VALUES ($1) ON CONFLICT DO NOTHING";

const REVOKED: &str = "SELECT index FROM countersign_status_revoked WHERE index >= $1 AND index < $2 ORDER BY index";

impl PostgresStore {
    fn numbers(&self, query: &'static str, values: Vec<i64>) -> Result<Vec<u64>, StoreError> {
        let rows = self.run(async move |connection: &Connection| -> QueryResult<Vec<Row>> {
            let values: Vec<&(dyn countersign_postgres::ToSql + Sync)> =
                values.iter().map(|value| value as &(dyn countersign_postgres::ToSql + Sync)).collect();
            connection.query(query, &values).await
        })?;
        let read = |row: &Row| row.try_get::<_, i64>(0).map(|number| u64::try_from(number).unwrap_or_default());
        rows.iter().map(|row| read(row).map_err(|error| failed(&error.into()))).collect()
    }
}

impl StatusStore for PostgresStore {
    fn reserve(&self, count: u64, ends_at: UnixTime, now: UnixTime) -> Result<u64, StoreError> {
        let values = vec![number(count), number(ends_at.as_secs()), number(LIST_ENTRIES)];
        let first = self.numbers(RESERVE, values)?.first().copied().unwrap_or_default();
        if first % LIST_ENTRIES == 0 {
            let list = number(first / LIST_ENTRIES);
            self.numbers(REMOVE_ENDED, vec![list, number(removed_before(now)), number(LIST_ENTRIES)])?;
        }
        Ok(first)
    }

    fn lists(&self) -> Result<Vec<u64>, StoreError> {
        self.numbers(LISTS, Vec::new())
    }

    fn revoke_index(&self, index: u64) -> Result<(), StoreError> {
        self.numbers(REVOKE, vec![number(index)]).map(drop)
    }

    fn revoked_indices(&self, list: u64) -> Result<Vec<u64>, StoreError> {
        let indices = indices_of(list);
        self.numbers(REVOKED, vec![number(indices.start), number(indices.end)])
    }
}
