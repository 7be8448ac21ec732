//! Refusals of the gateway itself, in the form of those of the layer (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// A refusal with a stable code. All texts are constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
}

/// The address has two readings, or is not that of a request.
pub(crate) const AMBIGUOUS: Problem =
    Problem::bad_request("ambiguous_address", "the address of the request can be read in two ways");

/// A header that only the gateway may set.
pub(crate) const RESERVED_HEADER: Problem =
    Problem::bad_request("reserved_header", "the request has a header that clients may not send");

/// A request of which the edge tells two things that cannot both be true.
pub(crate) const CONTRADICTION: Problem =
    Problem::bad_request("contradictory_request", "host, address or method of the request contradict each other");

/// An identity that no header can carry.
pub(crate) const UNFIT_IDENTITY: Problem =
    Problem::bad_request("unfit_identity", "the caller's identity does not fit into a header");

/// The configuration of the edge lacks a line.
pub(crate) const EDGE_MISCONFIGURED: Problem = Problem {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    code: "edge_misconfigured",
    title: "the edge does not tell the client's request",
};

/// A credential that no token service takes.
pub(crate) const NOT_EXCHANGEABLE: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    code: "not_exchangeable",
    title: "a credential of this kind cannot be used for this resource",
};

/// A credential that is bound to a key, for a token that would be bound to none.
pub(crate) const BOUND_CREDENTIAL: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    code: "bound_credential",
    title: "a credential that is bound to a key cannot be used for this resource",
};

/// A token that the next service must not get.
pub(crate) const UNSUITABLE_TOKEN: Problem = Problem {
    status: StatusCode::BAD_GATEWAY,
    code: "unsuitable_token",
    title: "the token service gave no token for this resource",
};

/// A credential that ends before a token for the next service could begin.
#[cfg(feature = "issuer")]
pub(crate) const EXPIRED_CREDENTIAL: Problem =
    Problem { status: StatusCode::UNAUTHORIZED, code: "token_expired", title: "the token has expired" };

/// The embedded issuer cannot sign now.
#[cfg(feature = "issuer")]
pub(crate) const ISSUER_UNAVAILABLE: Problem = Problem {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "upstream_unavailable",
    title: "no token can be made for this resource now",
};

/// The peer is not one of the configured edges.
pub(crate) const UNTRUSTED_PEER: Problem =
    Problem { status: StatusCode::FORBIDDEN, code: "untrusted_peer", title: "only the edge may ask" };

/// An answer of the layer that would be taken for a permission.
pub(crate) const NO_PERMISSION: Problem =
    Problem { status: StatusCode::FORBIDDEN, code: "forbidden", title: "access denied" };

impl Problem {
    const fn bad_request(code: &'static str, title: &'static str) -> Self {
        Problem { status: StatusCode::BAD_REQUEST, code, title }
    }

    pub(crate) fn response(self) -> Response<Bytes> {
        let Problem { status, code, title } = self;
        // Constants that need no escaping in JSON.
        let body = format!(
            "{{\"type\":\"urn:countersign:problem:{code}\",\"title\":\"{title}\",\"status\":{},\"code\":\"{code}\"}}",
            status.as_u16()
        );
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        response
    }
}
