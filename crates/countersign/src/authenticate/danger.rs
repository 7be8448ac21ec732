//! Ways to weaken the layer, in one searchable place. Each use is logged at WARN when the layer is made.

use super::layer::AuthenticateLayer;

/// Takes a token from the query (`?access_token=…`) too, for clients that can set no header.
///
/// Addresses are written into logs, histories and `Referer` headers, by others too, and their tokens with them; RFC 9700
/// forbids it to clients. The layer takes the token out of the address before anything behind it sees it, which is of no
/// help in front of it. Prefer a cookie, or for WebSockets a subprotocol.
///
/// Where the verifier was built with `deny_danger`, the query is not looked into all the same, and an error is logged.
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
    if layer.verifier.denies_danger() {
        tracing::error!(target: "countersign::authenticate", "tokens are not taken from the query: deny_danger forbids it");
        return layer;
    }
    tracing::warn!(target: "countersign::authenticate", "tokens are taken from the query: they reach logs and histories");
    layer.with_query()
}

/// Takes a token from a form's field `access_token` too (RFC 6750 §2.2), for clients that can set no header.
///
/// Stand it before the [`AuthenticateLayer`]. It reads the body, up to 64 KiB, of everybody who sends a form, before anything
/// is known of them, and moves the token into the `Authorization` header; a request that has that header as well brings two
/// credentials, 400. What is behind sees the form without its token.
///
/// ```
/// use countersign::authenticate::danger;
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> axum::Router {
///     axum::Router::new().layer(AuthenticateLayer::new(verifier)).layer(danger::token_in_form())
/// }
/// # let _ = app;
/// ```
#[cfg(feature = "axum")]
#[must_use]
pub fn token_in_form() -> super::FormTokenLayer {
    tracing::warn!(target: "countersign::authenticate", "tokens are taken from forms: bodies are read before any decision");
    super::FormTokenLayer
}
