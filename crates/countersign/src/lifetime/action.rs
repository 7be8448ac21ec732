//! The end of a response whose token expires.

use bytes::Bytes;

/// Decision about a response that is still running when its caller's token expires.
///
/// [`end_with_token`](super::end_with_token) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenEndAction {
    /// Aborts the response with an error, so that a partial download does not look complete. A gRPC response ends with
    /// status `UNAUTHENTICATED`.
    Abort,
    /// Ends the response normally after these last bytes, such as `event: token_ended\ndata:\n\n` in an event stream. After
    /// them a gRPC response ends with status `UNAUTHENTICATED`.
    Finish(Bytes),
    /// Logs a warning and lets the response continue.
    Warn,
}

impl TokenEndAction {
    /// The word for it in the log.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            TokenEndAction::Abort => "aborted",
            TokenEndAction::Finish(_) => "finished",
            TokenEndAction::Warn => "continued",
        }
    }
}
