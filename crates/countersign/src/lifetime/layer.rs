//! The layer.

use tower_layer::Layer;

use super::action::TokenEndAction;
use super::service::EndWithToken;

/// Ends the responses of a route when their callers' tokens expire; created by [`end_with_token`], which has an example.
#[derive(Clone, Debug)]
pub struct EndWithTokenLayer {
    action: TokenEndAction,
}

/// Ends the responses of a route when their callers' tokens expire, and request bodies that are still being read.
///
/// A request body ends with the error [`TokenEnded`](super::TokenEnded). With [`grpc`](crate::grpc) the layer wraps services
/// of tonic: their streams end with status `UNAUTHENTICATED`.
///
/// It belongs behind an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer) and answers 500 without one. Responses
/// to anonymous callers are not limited.
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
