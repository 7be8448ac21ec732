//! Revocations of many tokens at once, by session, subject or client, and of single ones, each with a number.

#[cfg(feature = "file")]
mod file;
mod memory;
mod notice;

#[cfg(feature = "file")]
pub(super) use file::FileNotices;
pub(super) use memory::MemoryNotices;
#[cfg(feature = "postgres")]
pub(super) use notice::Columns;
#[cfg(feature = "postgres")]
pub(super) use notice::PAGE;
pub use notice::{FoundNotices, NoticePage, StoredNotice};
pub(crate) use notice::{is_meant, notice_digest};
