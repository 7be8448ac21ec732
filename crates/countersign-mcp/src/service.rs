//! The service. It never waits, and reads no body.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::authenticate::{Authenticated, AuthenticationStatus};
use countersign::integration::{refuse_other_audience, refuse_unclear_operation};
use countersign::lifetime::{EndWithTokenBody, TokenEnd};
use countersign::response::ResponseBody;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

#[cfg(feature = "rmcp")]
use crate::access::PassedGuard;
use crate::access::{Access, Decided, ServerTrust};
use crate::future::{Behind, McpFuture};
use crate::session::{LAST_EVENT_ID, NamedSession, SESSION_ID, SessionSeal};

/// The answer for a session that the caller does not have; clients open a new one (MCP 2025-11-25, Session Management).
const NO_SESSION: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"session not found"}}"#;

/// A server behind an [`McpLayer`](crate::McpLayer), within the service that authenticates its requests.
#[derive(Clone, Debug)]
pub struct McpService<S> {
    inner: S,
    access: Arc<Access>,
    trust: ServerTrust,
    seal: SessionSeal,
}

impl<S> McpService<S> {
    pub(crate) fn new(inner: S, access: Arc<Access>, trust: ServerTrust, seal: SessionSeal) -> Self {
        McpService { inner, access, trust, seal }
    }

    /// The answer to a request that may not pass; `None` lets it pass.
    fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        if let Some(refused) = refuse_other_audience(request.extensions(), request.headers(), &self.access.resource) {
            return Some(refused);
        }
        match self.access.of_request(self.trust, request.method(), request.headers()) {
            Decided::By(guard) => {
                let refused = guard.refusal(request);
                #[cfg(feature = "rmcp")]
                if refused.is_none() && self.trust.checks_inside {
                    request.extensions_mut().insert(PassedGuard::new(&self.access, guard));
                }
                refused
            }
            Decided::Unclear => match self.access.every_request.refusal(request) {
                None => Some(refuse_unclear_operation(request.extensions(), request.headers())),
                refused => refused,
            },
        }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for McpService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<EndWithTokenBody<ResBody>>>;
    type Error = S::Error;
    type Future = McpFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if let Some(refused) = self.refusal(&mut request) {
            return McpFuture::own(refused);
        }
        let caller = match Authenticated::status(request.extensions()) {
            AuthenticationStatus::Verified(caller) => Some(caller),
            _ => None,
        };
        let named = self.seal.open(request.headers(), caller.map(|caller| &**caller));
        let replays = request.headers().contains_key(LAST_EVENT_ID);
        let opener = match named {
            NamedSession::Unknown => return McpFuture::own(no_session()),
            // Events are bound by their session only.
            NamedSession::None if replays => return McpFuture::own(no_session()),
            NamedSession::Own(_) if replays && self.trust.replays_any_stream => return McpFuture::own(no_session()),
            NamedSession::Own(identifier) => {
                request.headers_mut().insert(SESSION_ID, identifier);
                None
            }
            NamedSession::None => caller.map(|caller| (self.seal.clone(), Arc::clone(caller))),
        };
        let end = TokenEnd::from_extensions(request.extensions());
        remove_credentials(request.headers_mut());
        McpFuture::inner(self.inner.call(request), Behind { end, opener })
    }
}

/// Removes the caller's token and proof, which the layer has marked: a tool that wants to call on the caller's behalf exchanges
/// the token, and cannot pass it on by accident.
fn remove_credentials(headers: &mut HeaderMap) {
    while let Some(name) = headers.iter().find(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()) {
        headers.remove(name);
    }
}

#[cold]
fn no_session() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(NO_SESSION.as_bytes()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
