//! State in PostgreSQL, for several instances of one issuer.

mod notices;
mod postgres_store;
mod statement;
mod status;

pub use postgres_store::PostgresStore;
