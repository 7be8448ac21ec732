//! The service. It never waits, and reads no body.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::integration::{TokenEndParts, refuse_other_audience, refuse_unclear_operation};
use countersign::lifetime::EndWithTokenBody;
use countersign::response::ResponseBody;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use crate::access::{Access, Decided, ServerTrust};
use crate::future::{Behind, McpFuture};
use crate::headers::Head;
use crate::session::{NamedSession, SESSION_ID, SessionSeal};

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
    fn refusal<B>(&self, decided: Decided<'_>, request: &mut Request<B>) -> Option<Response<Bytes>> {
        if let Some(refused) = refuse_other_audience(request.extensions(), request.headers(), &self.access.resource) {
            return Some(refused);
        }
        match decided {
            Decided::By(guard) => {
                let refused = guard.refusal(request);
                if refused.is_none() && self.trust.checks_inside {
                    guard.note_passed(request.extensions_mut());
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
        let head = Head::of(request.headers());
        let (session, replays) = (head.session.cloned(), head.replays);
        let (marked, has_more_marked) = (head.marked.cloned(), head.has_more_marked);
        let decided = self.access.of_request(self.trust, request.method(), &head);
        if let Some(refused) = self.refusal(decided, &mut request) {
            return McpFuture::own(refused);
        }
        let caller = TokenEndParts::from_extensions(request.extensions());
        let named = self.seal.open(session, caller.as_ref().map(|caller| &**caller.verified()));
        let opens = match named {
            NamedSession::Unknown => return McpFuture::own(no_session()),
            // Events are bound by their session only.
            NamedSession::None if replays => return McpFuture::own(no_session()),
            NamedSession::Own(_) if replays && self.trust.replays_any_stream => return McpFuture::own(no_session()),
            NamedSession::Own(identifier) => {
                request.headers_mut().insert(SESSION_ID, identifier);
                None
            }
            NamedSession::None => Some(self.seal.clone()),
        };
        // The caller's token and proof, which the layer has marked: a tool that wants to call on the caller's behalf exchanges the
        // token, and cannot pass it on by accident.
        if let Some(name) = marked {
            request.headers_mut().remove(name);
            if has_more_marked {
                remove_marked(request.headers_mut());
            }
        }
        McpFuture::inner(self.inner.call(request), Behind { caller, opens })
    }
}

#[cold]
fn remove_marked(headers: &mut HeaderMap) {
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
