//! A cache of one value that is refreshed before it expires: one fetch at a time, a cool-down, stale use during outages.
//!
//! Key sources, resolved issuers and outbound tokens are built on it. Each fetch runs in a task of its own: a caller that
//! gives up does not affect the others, and no caller waits longer than its own limit.

mod cache;
mod cool_down;
mod fetch;
mod fetch_task;
mod missed;
mod policy;
mod refresh_task;
mod single_flight;
mod state;

pub(crate) use cache::RefreshCache;
#[cfg_attr(not(feature = "remote-keys"), allow(unused_imports, reason = "used by key sources only"))]
pub(crate) use fetch::CachedValue;
pub(crate) use fetch::{Fetch, FetchFuture, Fetched, Outcome};
pub use policy::RefreshPolicy;
