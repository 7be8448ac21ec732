//! The headers of tokens for the next service, as the outbound client attaches them.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::outbound::{AttachToken, OutboundError, OutboundErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tower::{Service, ServiceExt as _};

use crate::problem::{self, Problem};
use crate::request::DPOP;

/// The header of transaction tokens.
pub(crate) const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// The headers of credentials, which never pass on a route with a swap.
pub(crate) const CREDENTIALS: [HeaderName; 2] = [header::AUTHORIZATION, DPOP];

/// The reason for which a request gets no token.
#[derive(Clone)]
pub(crate) enum SwapRefusal {
    /// Of the gateway, with the detail for the log.
    Problem(Problem, Cow<'static, str>),
    Outbound(OutboundError),
}

impl SwapRefusal {
    /// Of a token that the next service must not get.
    pub(crate) const fn unsuitable(fault: &'static str) -> Self {
        SwapRefusal::Problem(problem::UNSUITABLE_TOKEN, Cow::Borrowed(fault))
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            SwapRefusal::Problem(problem, _) => problem.status,
            SwapRefusal::Outbound(error) if error.kind() == OutboundErrorKind::SubjectExpired => {
                StatusCode::UNAUTHORIZED
            }
            SwapRefusal::Outbound(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            SwapRefusal::Outbound(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<Problem> for SwapRefusal {
    fn from(problem: Problem) -> Self {
        SwapRefusal::Problem(problem, problem.title.into())
    }
}

/// A call of the next service, which is not made.
pub(crate) fn call(origin: &str, method: &Method, path: &str) -> Result<Request<()>, SwapRefusal> {
    let mut request = Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = format!("{origin}{path}").parse().map_err(|_| problem::AMBIGUOUS)?;
    Ok(request)
}

/// The headers that the client attaches to a call.
pub(crate) async fn attached(client: &AttachToken<Captured>, request: Request<()>) -> Result<HeaderMap, OutboundError> {
    let attached = client.clone().oneshot(request).await?;
    Ok(attached.into_parts().0.headers)
}

/// In place of a client: returns the headers that were attached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Captured;

impl Service<Request<()>> for Captured {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut response = Response::new(Bytes::new());
        for name in CREDENTIALS.into_iter().chain([TXN_TOKEN]) {
            if let Some(value) = request.headers().get(&name) {
                let mut value: HeaderValue = value.clone();
                value.set_sensitive(true);
                response.headers_mut().insert(name, value);
            }
        }
        ready(Ok(response))
    }
}
