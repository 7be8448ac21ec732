//! One value kept fresh: fetched once for all who wait, ahead of its end, with a cool-down, kept through outages.
//!
//! Keys and outbound tokens stand on this. The fetch runs in a task of its own, so that a caller who leaves harms
//! nobody who stays, and no caller waits longer than its own budget.

mod flight;
mod keeper;
mod policy;
mod refreshed;

pub use policy::RefreshPolicy;
#[cfg_attr(not(feature = "remote-keys"), allow(unused_imports, reason = "named by key sources alone"))]
pub(crate) use refreshed::Held;
pub(crate) use refreshed::{Fetch, FetchFuture, Fresh, Look, Refreshed};
