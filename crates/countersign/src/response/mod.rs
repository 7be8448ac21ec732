//! Responses to refused requests: challenges (RFC 6750, 9470), problems (RFC 9457), gRPC statuses.

mod body;
mod challenge;
mod form;
mod inner_or_own;
mod metadata;
mod problem;
mod refusal;
mod render;
mod responder;

pub use body::ResponseBody;
#[cfg(feature = "outbound")]
pub(crate) use challenge::HEADER;
pub(crate) use form::AnswerForm;
pub(crate) use inner_or_own::InnerOrOwn;
pub use metadata::ResourceMetadata;
pub use problem::{Detail, Problem};
pub(crate) use refusal::Refusal;
pub use render::Render;
pub(crate) use responder::{DPOP_NONCE, Responder, SetupFault};
