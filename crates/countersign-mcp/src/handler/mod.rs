//! Servers of the crate `rmcp`.

mod caller;
mod guarded;
mod server;

pub use caller::{McpCaller, caller};
pub use guarded::GuardedHandler;
