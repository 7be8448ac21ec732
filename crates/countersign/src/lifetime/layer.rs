//! The layer.

use bytes::Bytes;
use tower_layer::Layer;

use super::service::EndWithToken;

/// What becomes of a response that is still running when its caller's token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenEndAction {
    /// It is broken off with an error, so that a download cut short does not look whole.
    Abort,
    /// It ends well, with these last bytes: of an event stream, say, `event: token_ended\ndata:\n\n`.
    Finish(Bytes),
    /// It goes on, and a warning is logged.
    Warn,
}

impl TokenEndAction {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            TokenEndAction::Abort => "broken off",
            TokenEndAction::Finish(_) => "ended",
            TokenEndAction::Warn => "goes on",
        }
    }
}

/// Ends the responses of a route when their callers' tokens end; made by [`end_with_token`].
#[derive(Clone, Debug)]
pub struct EndWithTokenLayer {
    action: TokenEndAction,
}

/// Ends the responses of a route when their callers' tokens end.
///
/// It stands behind an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer); without one it answers 500. Responses
/// to anonymous callers are left alone.
///
/// ```
/// use axum::{Router, handler::Handler, routing::get};
/// use countersign::lifetime::{TokenEndAction, end_with_token};
///
/// let last = TokenEndAction::Finish("event: token_ended\ndata:\n\n".into());
/// let app: Router = Router::new()
///     .route("/events", get((|| async { "events" }).layer(end_with_token(last))))
///     .route("/export", get(|| async { "rows" }).layer(end_with_token(TokenEndAction::Abort)));
/// # let _ = app;
/// ```
pub fn end_with_token(action: TokenEndAction) -> EndWithTokenLayer {
    EndWithTokenLayer { action }
}

impl<S> Layer<S> for EndWithTokenLayer {
    type Service = EndWithToken<S>;

    fn layer(&self, inner: S) -> EndWithToken<S> {
        EndWithToken::new(inner, self.action.clone())
    }
}
