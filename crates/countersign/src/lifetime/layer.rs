//! The layer.

use bytes::Bytes;
use tower_layer::Layer;

use super::service::EndWithToken;

/// What becomes of a response that is still running when its caller's token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtEnd {
    /// It is broken off with an error, so that a download cut short does not look whole.
    BreakOff,
    /// It ends well, with these last bytes: of an event stream, say, `event: token_ended\ndata:\n\n`.
    EndWith(Bytes),
    /// It goes on, and a warning is logged.
    Warn,
}

impl AtEnd {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            AtEnd::BreakOff => "broken off",
            AtEnd::EndWith(_) => "ended",
            AtEnd::Warn => "goes on",
        }
    }
}

/// Ends the responses of a route when their callers' tokens end; made by [`until_token_ends`].
#[derive(Clone, Debug)]
pub struct UntilTokenEndsLayer {
    at_end: AtEnd,
}

/// Ends the responses of a route when their callers' tokens end.
///
/// It stands behind an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer); without one it answers 500. Responses
/// to anonymous callers are left alone.
///
/// ```
/// use axum::{Router, handler::Handler, routing::get};
/// use countersign::lifetime::{AtEnd, until_token_ends};
///
/// let last = AtEnd::EndWith("event: token_ended\ndata:\n\n".into());
/// let app: Router = Router::new()
///     .route("/events", get((|| async { "events" }).layer(until_token_ends(last))))
///     .route("/export", get(|| async { "rows" }).layer(until_token_ends(AtEnd::BreakOff)));
/// # let _ = app;
/// ```
pub fn until_token_ends(at_end: AtEnd) -> UntilTokenEndsLayer {
    UntilTokenEndsLayer { at_end }
}

impl<S> Layer<S> for UntilTokenEndsLayer {
    type Service = EndWithToken<S>;

    fn layer(&self, inner: S) -> EndWithToken<S> {
        EndWithToken::new(inner, self.at_end.clone())
    }
}
