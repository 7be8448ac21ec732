//! Counts of requests, and times of calls of the store. Without the features `metrics` and `otel`, nobody reads them.

mod requests;
mod store_time;

pub(crate) use requests::{Counts, Outcome, TokenGrant};
#[cfg(any(feature = "metrics", feature = "otel"))]
pub(crate) use store_time::STORE_TIME_NAME;
pub(crate) use store_time::StoreTimer;
#[cfg(feature = "otel")]
pub(crate) use store_time::set_store_histogram;
