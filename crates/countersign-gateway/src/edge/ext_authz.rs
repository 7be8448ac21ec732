//! Envoy's ext_authz over gRPC (`envoy.service.auth.v3.Authorization`).

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request as HttpRequest;
use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use http::{HeaderMap, Response, StatusCode};
use tonic::server::Grpc;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::check_message::CheckMessage;
use super::peers::TrustedPeers;
use crate::decision::{EdgeDecision, RequestChanges};
use crate::gateway::Gateway;
use crate::problem;
use crate::rules::ForeignHeaders;

/// The path of the method.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Answers checks of Envoy over gRPC (feature `grpc`).
///
/// A check without a request in it gets the status `INVALID_ARGUMENT`, and one of a peer that is not trusted
/// `PERMISSION_DENIED`: Envoy then refuses the client, unless its configuration says `failure_mode_allow`.
///
/// ```
/// use countersign_gateway::{ExtAuthz, Gateway};
///
/// fn router(gateway: Gateway) -> axum::Router {
///     ExtAuthz::new(gateway).router()
/// }
/// # let _ = router;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ExtAuthz {
    gateway: Gateway,
    peers: TrustedPeers,
}

impl ExtAuthz {
    /// Answers checks from this machine; as [`ForwardAuth::new`](super::ForwardAuth::new), it needs the address of the peer.
    pub fn new(gateway: Gateway) -> Self {
        ExtAuthz { gateway, peers: TrustedPeers::loopback() }
    }

    /// Answers these peers in place of this machine; as [`ForwardAuth::trusted_peers`](super::ForwardAuth::trusted_peers).
    pub fn trusted_peers(mut self, peers: TrustedPeers) -> Self {
        self.peers = peers;
        self
    }

    /// The router, for a server that speaks HTTP/2.
    pub fn router(self) -> Router {
        let checks = Arc::new(self);
        // Not the service that envoy-types generates: it decodes the whole message, and puts two more futures on the heap.
        Router::new().route_service(
            CHECK,
            service_fn(move |request: HttpRequest| {
                let checks = Arc::clone(&checks);
                async move {
                    let check = service_fn(|request| checks.check(request));
                    Ok::<_, Infallible>(Grpc::new(ProstCodec::default()).unary(check, request).await)
                }
            }),
        )
    }

    async fn check(&self, request: Request<CheckMessage>) -> Result<tonic::Response<CheckResponse>, Status> {
        if !self.peers.accept(request.extensions()) {
            return Err(Status::permission_denied(problem::UNTRUSTED_PEER.title));
        }
        let asked = request.into_inner().http();
        let asked = asked.ok_or_else(|| Status::invalid_argument("the check has no HTTP request"))?;
        let response = match asked.client_request() {
            Err(problem) => refused(problem.response()),
            Ok(asked) => match self.gateway.decide(asked, ForeignHeaders::Remove).await {
                EdgeDecision::Allowed(changes) => allowed(&changes),
                EdgeDecision::Refused(response) => refused(response),
            },
        };
        Ok(tonic::Response::new(response))
    }
}

fn allowed(changes: &RequestChanges) -> CheckResponse {
    let ok = OkHttpResponse {
        headers: options(&changes.set),
        headers_to_remove: changes.remove.iter().map(|name| name.as_str().to_owned()).collect(),
        response_headers_to_add: options(&changes.answer),
        ..OkHttpResponse::default()
    };
    response(Code::Ok, HttpResponse::OkResponse(ok))
}

fn refused(answer: Response<Bytes>) -> CheckResponse {
    let (parts, body) = answer.into_parts();
    let code = match parts.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(parts.status.as_u16()) }),
        headers: options(&parts.headers),
        body: String::from_utf8(body.into()).unwrap_or_default(),
    };
    response(code, HttpResponse::DeniedResponse(denied))
}

fn response(code: Code, answer: HttpResponse) -> CheckResponse {
    let status = rpc::Status { code: code.into(), ..rpc::Status::default() };
    CheckResponse { status: Some(status), http_response: Some(answer), ..CheckResponse::default() }
}

/// The headers: the first of a name replaces what is there, and others of the same name are added to it.
fn options(headers: &HeaderMap) -> Vec<HeaderValueOption> {
    let mut options = Vec::with_capacity(headers.len());
    for name in headers.keys() {
        for (index, value) in headers.get_all(name).iter().enumerate() {
            let Ok(value) = value.to_str() else { continue };
            let action = match index {
                0 => HeaderAppendAction::OverwriteIfExistsOrAdd,
                _ => HeaderAppendAction::AppendIfExistsOrAdd,
            };
            let header =
                HeaderValue { key: name.as_str().to_owned(), value: value.to_owned(), ..HeaderValue::default() };
            options.push(HeaderValueOption {
                header: Some(header),
                append_action: action.into(),
                keep_empty_value: true,
                ..HeaderValueOption::default()
            });
        }
    }
    options
}
