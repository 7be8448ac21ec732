//! The layer for tower HTTP clients.

use tower_layer::Layer;

use super::binding::Bindings;
use super::builder::OutboundBuilder;
use super::service::AttachToken;
use super::source::TokenStats;

/// Attaches tokens to the requests of any tower HTTP client service.
///
/// Wrap a client that follows no redirects. A request to an origin that is not bound is refused. After a 401, or gRPC's
/// `UNAUTHENTICATED`, the token is dropped, so that the next request gets a new one. The request is not sent again, since
/// a body of any type cannot be read twice.
///
/// If a token is bound to a key, each request has a proof. A 401 that demands a nonce in it is passed on, and the next request
/// has the nonce. A [`RepeatOnNonceLayer`](super::RepeatOnNonceLayer) around this one repeats the request, also with tonic. A client
/// that follows redirects would take the proof along.
///
/// A request must name its target: build a tonic client with `with_origin`, from this and the channel, with the bound
/// origin.
///
/// ```
/// use countersign::outbound::{AttachTokenLayer, StaticToken};
/// use countersign::secret::Secret;
///
/// let token = || StaticToken::new(Secret::from("a-token"));
/// let layer = AttachTokenLayer::builder().bind("https://billing.internal", token()).build();
/// assert!(layer.is_ok());
/// let plain = AttachTokenLayer::builder().bind("http://billing.internal", token()).build();
/// assert!(plain.is_err());
/// ```
#[derive(Clone, Debug)]
pub struct AttachTokenLayer {
    bindings: Bindings,
}

impl AttachTokenLayer {
    /// Starts a layer.
    pub fn builder() -> OutboundBuilder<Self> {
        OutboundBuilder::new(false, |bindings| AttachTokenLayer { bindings })
    }

    /// Counts of each binding's tokens, with its origin, in the order of binding.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, TokenStats)> {
        self.bindings.stats()
    }
}

impl<S> Layer<S> for AttachTokenLayer {
    type Service = AttachToken<S>;

    fn layer(&self, inner: S) -> AttachToken<S> {
        AttachToken::new(inner, self.bindings.clone())
    }
}
