//! What the benches share: tokens and keys, interleaved measurement, a counter of allocations, the report.
//!
//! The suite itself is in `suite/`, one file a question; `main.rs` there lists them.

pub mod allocations;
pub mod api_key;
pub mod baseline;
pub mod bound;
pub mod edge;
#[cfg(feature = "peers")]
pub mod huskarl;
pub mod jsonwebtoken;
pub mod mcp;
pub mod measure;
pub mod opaque;
#[cfg(feature = "layers")]
pub mod peers;
pub mod refused;
pub mod report;
pub mod revoked;
pub mod sample;
pub mod services;
pub mod traffic;
