//! The connection to PostgreSQL that stores share: on a thread of its own, replaced when it breaks, with a time limit for each
//! query and a bound on those that wait.
//!
//! Services use the stores of `countersign-issuer` and `countersign-apikey`. Items here may change in any release.

mod connection;
mod settings;
mod tls;

pub use connection::{Connection, Database, DatabaseError, DatabaseErrorKind, Heard, QueryResult};
pub use tokio_postgres::Row;
pub use tokio_postgres::types::ToSql;
