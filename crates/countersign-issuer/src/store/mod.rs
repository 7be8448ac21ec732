//! Persistent state, shared by instances: signing keys, revocations, revoked token IDs, used assertion IDs, upgraded secret hashes.

mod async_store;
mod error;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "file")]
mod file_place;
#[cfg(feature = "file")]
mod file_status;
mod interface;
mod memory;
mod memory_status;
#[cfg(feature = "postgres")]
mod postgres;
mod revocations;
mod seal;
mod share;
mod status;

pub(crate) use async_store::AsyncStore;
pub use error::{StoreError, StoreErrorKind};
#[cfg(feature = "file")]
pub use file::FileStore;
pub use interface::{IdList, Insertion, Store, StoredKeys};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use revocations::{FoundNotices, NoticePage, StoredNotice};
pub(crate) use revocations::{is_meant, notice_digest};
pub use seal::StoreKey;
pub(crate) use status::LIST_ENTRIES;
pub use status::StatusStore;
