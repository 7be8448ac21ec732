//! The service's own words for refusals.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

/// What a refusal says: constants of this crate, safe to show to anyone.
///
/// Printed, it is the body that is sent without a renderer: a problem of RFC 9457.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) reason: Option<&'static str>,
}

impl Problem {
    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code, such as `token_expired`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The constant sentence that goes with the code.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// The exact reason, where [`Detail::Code`](super::Detail::Code) tells it.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only constants of ours are written here, none of which needs escaping in JSON.
        let Problem { status, code, title, reason } = self;
        write!(f, "{{\"type\":\"urn:countersign:problem:{code}\",\"title\":\"{title}\",")?;
        write!(f, "\"status\":{},\"code\":\"{code}\"", status.as_u16())?;
        if let Some(reason) = reason {
            write!(f, ",\"reason\":\"{reason}\"")?;
        }
        f.write_str("}")
    }
}

/// Writes the bodies of a whole app's refusals; any function of this shape is one.
///
/// Body, content type and further headers are the renderer's. The status, the challenge, `Cache-Control: no-store` and
/// `Retry-After` are put over what it says, so that no renderer can turn a refusal into something else. Answers to gRPC
/// callers are statuses and are not rendered.
///
/// ```
/// use bytes::Bytes;
/// use countersign::prelude::*;
/// use countersign::response::Problem;
/// use http::{HeaderMap, Response};
///
/// fn in_our_words(problem: &Problem, request: &HeaderMap) -> Response<Bytes> {
///     let is_german = request.get("accept-language").is_some_and(|value| value.as_bytes().starts_with(b"de"));
///     let word = if is_german { "Fehler" } else { "Error" };
///     Response::new(Bytes::from(format!("{word}: {}", problem.code())))
/// }
///
/// # fn layer(verifier: Verifier) -> AuthenticateLayer {
/// AuthenticateLayer::new(verifier).render(in_our_words)
/// # }
/// ```
pub trait Render: Send + Sync + 'static {
    /// The answer to a request with these headers.
    fn render(&self, problem: &Problem, request: &HeaderMap) -> Response<Bytes>;
}

impl<F: Fn(&Problem, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static> Render for F {
    fn render(&self, problem: &Problem, request: &HeaderMap) -> Response<Bytes> {
        self(problem, request)
    }
}

/// A renderer, shared.
#[derive(Clone)]
pub(super) struct Renderer(pub(super) Arc<dyn Render>);

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renderer")
    }
}
