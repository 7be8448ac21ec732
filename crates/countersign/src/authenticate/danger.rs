//! Ways to weaken the layer, in one searchable place. Each use is logged at WARN when the layer is made.

use super::layer::AuthenticateLayer;

/// Takes a token from the query (`?access_token=…`) too, for clients that can set no header.
///
/// Addresses are written into logs, histories and `Referer` headers, by others too, and their tokens with them; RFC 9700
/// forbids it to clients. The layer takes the token out of the address before anything behind it sees it, which is of no
/// help in front of it. Prefer a cookie, or for WebSockets a subprotocol.
///
/// ```
/// use countersign::authenticate::danger;
/// use countersign::prelude::*;
///
/// # fn layer(verifier: Verifier) -> AuthenticateLayer {
/// danger::token_in_query(AuthenticateLayer::new(verifier))
/// # }
/// ```
#[must_use]
pub fn token_in_query(layer: AuthenticateLayer) -> AuthenticateLayer {
    tracing::warn!(target: "countersign::authenticate", "tokens are taken from the query: they reach logs and histories");
    layer.with_query()
}
