//! What the caller sees: challenges (RFC 6750, 9470), problem bodies (RFC 9457), gRPC statuses.

mod challenge;
mod metadata;
mod problem;
mod refusal;
mod render;

pub(crate) use challenge::is_quotable;
pub use metadata::ResourceMetadata;
pub use problem::Detail;
pub(crate) use problem::{Answers, SetUpFault};
pub(crate) use refusal::Refusal;
pub use render::{Problem, Render};
