//! State in PostgreSQL, for several instances of one issuer.

mod postgres_store;
mod statement;

pub use postgres_store::PostgresStore;
