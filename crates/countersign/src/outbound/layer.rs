//! The layer for tower HTTP clients other than reqwest.

use std::sync::Arc;

use countersign_core::clock::SystemClock;
use countersign_core::error::ConfigError;
use tower_layer::Layer;

use super::origin::Origin;
use super::service::AttachToken;
use super::source::{Cached, TokenSource};

/// Attaches tokens to the requests of any tower HTTP client service.
///
/// It must wrap a client that follows no redirects. A request to another origin is refused. On a 401 the token is dropped,
/// so that the next request gets a new one; the request is not sent again, for a body of any type cannot be had twice. The
/// same for gRPC's `UNAUTHENTICATED`. A request must say where it goes: make a tonic client of this and the channel by its
/// `with_origin`, with the origin that is bound.
///
/// ```
/// use countersign::outbound::{AttachTokenLayer, StaticToken};
/// use countersign::secret::Secret;
///
/// let layer = AttachTokenLayer::new("https://billing.internal", StaticToken::new(Secret::from("a-token"))).unwrap();
/// assert!(AttachTokenLayer::new("http://billing.internal", StaticToken::new(Secret::from("a-token"))).is_err());
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct AttachTokenLayer {
    pub(super) origin: Arc<Origin>,
    pub(super) tokens: Cached,
}

impl AttachTokenLayer {
    /// Gives requests to `origin`, and no others, the tokens of `source`.
    ///
    /// # Errors
    /// As [`Outbound::bind`](super::Outbound::bind).
    pub fn new(origin: &str, source: impl TokenSource) -> Result<Self, ConfigError> {
        let mut faults = source.faults();
        match Origin::parse(origin) {
            Ok(origin) if faults.is_empty() => {
                let tokens = Cached::new(Arc::new(source), Arc::new(SystemClock), &origin.to_string());
                return Ok(AttachTokenLayer { origin: Arc::new(origin), tokens });
            }
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
        ConfigError::check(faults)?;
        Err(ConfigError::new("origin", "not usable"))
    }
}

impl<S> Layer<S> for AttachTokenLayer {
    type Service = AttachToken<S>;

    fn layer(&self, inner: S) -> AttachToken<S> {
        AttachToken { inner, layer: self.clone() }
    }
}
