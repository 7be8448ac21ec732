//! Ways to weaken the layer, in one searchable module. Each use is logged at WARN.

use super::builder::AuthenticateLayerBuilder;

/// Accepts a token in the query (`?access_token=…`) too, for clients that can set no header.
///
/// Addresses end up in logs, histories and `Referer` headers, also of others, and tokens with them; RFC 9700 forbids this to
/// clients. The layer removes the token from the address before any service behind it sees it, which does not help before
/// the layer. Prefer a cookie, or a subprotocol for WebSockets.
///
/// With a verifier built with `deny_danger`, the query stays ignored and an error is logged.
///
/// ```
/// use countersign::authenticate::danger;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     danger::token_in_query(AuthenticateLayer::builder(verifier)).build()
/// }
/// # let _ = layer;
/// ```
pub fn token_in_query(builder: AuthenticateLayerBuilder) -> AuthenticateLayerBuilder {
    if builder.denies_danger() {
        tracing::error!(target: "countersign::authenticate", "tokens in the query are ignored: deny_danger forbids them");
        return builder;
    }
    tracing::warn!(
        target: "countersign::authenticate",
        "tokens in the query are accepted: they reach logs and browser histories"
    );
    builder.token_in_query()
}

/// Accepts a token in a form's field `access_token` too (RFC 6750 §2.2), for clients that can set no header.
///
/// Put it before the [`AuthenticateLayer`](super::AuthenticateLayer). It reads the body of every form, up to 64 KiB, before
/// the caller is known, and moves the token into the `Authorization` header. A request that already has this header brings
/// two credentials: 400. Services behind it see the form without its token.
///
/// A layer whose verifier was built with `deny_danger` answers 400 to a token that comes this way.
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
pub fn token_in_form() -> super::form::FormTokenLayer {
    tracing::warn!(
        target: "countersign::authenticate",
        "tokens in forms are accepted: bodies are read before authentication"
    );
    super::form::FormTokenLayer
}
