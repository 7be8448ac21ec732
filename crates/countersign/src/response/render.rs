//! Custom bodies for refusals.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::problem::Problem;

/// Writes the bodies of a service's refusals; functions of this signature implement it.
///
/// The renderer chooses body, content type and further headers. The layer then sets the status, the challenge,
/// `Cache-Control: no-store` and `Retry-After`, so that no renderer can turn a refusal into something else. gRPC
/// refusals carry a gRPC status and are not rendered. Neither is the answer of a hidden resource, which must look like a path
/// that does not exist: [`not_found`](crate::authenticate::AuthenticateLayerBuilder::not_found) writes it.
///
/// ```
/// use bytes::Bytes;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
/// use countersign::response::Problem;
/// use http::{HeaderMap, Response};
///
/// fn localized(problem: &Problem, request: &HeaderMap) -> Response<Bytes> {
///     let is_german = request.get("accept-language").is_some_and(|value| value.as_bytes().starts_with(b"de"));
///     let word = if is_german { "Fehler" } else { "Error" };
///     Response::new(Bytes::from(format!("{word}: {}", problem.code())))
/// }
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     AuthenticateLayer::builder(verifier).render(localized).build()
/// }
/// # let _ = layer;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot render refusals",
    label = "not a renderer",
    note = "pass a `fn(&Problem, &HeaderMap) -> Response<Bytes>`, or implement `Render`"
)]
pub trait Render: Send + Sync + 'static {
    /// Renders the response to a request with these headers.
    fn render(&self, problem: &Problem, request: &HeaderMap) -> Response<Bytes>;
}

impl<F: Fn(&Problem, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static> Render for F {
    fn render(&self, problem: &Problem, request: &HeaderMap) -> Response<Bytes> {
        self(problem, request)
    }
}

/// A shared renderer.
#[derive(Clone)]
pub(super) struct Renderer(pub(super) Arc<dyn Render>);

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renderer")
    }
}
