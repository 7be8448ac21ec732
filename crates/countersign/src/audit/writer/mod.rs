//! JSON lines, written by a thread of their own.
//!
//! `tracing-appender` has a writer of this kind too. It bounds lines and not bytes, drops without a word in the file, does not
//! follow a file that was renamed, gives untrusted clients the whole queue, and brings `tracing-subscriber` into every service.

mod handle;
mod output;
mod queue;
mod thread;

pub use handle::AuditWriter;
