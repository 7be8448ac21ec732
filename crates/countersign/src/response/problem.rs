//! Problem bodies (RFC 9457), and the whole answer around them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::challenge::challenge;
use super::refusal::Refusal;

/// How much callers are told about refused tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// That the token is invalid, expired or not yet valid; bad signature, unknown key, wrong audience and wrong issuer
    /// look the same, byte for byte.
    #[default]
    Coarse,
    /// The exact code too, such as `wrong_audience`, as `reason` in the body: for development and closed networks.
    Code,
}

/// How a service answers what goes no further.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    realm: String,
    resource_metadata: Option<String>,
    detail: Detail,
}

/// A mistake in the set-up of the service, answered with 500.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetUpFault;

impl Default for Answers {
    fn default() -> Self {
        Answers { realm: "api".into(), resource_metadata: None, detail: Detail::default() }
    }
}

impl Answers {
    pub(crate) fn realm(self, realm: &str) -> Self {
        Answers { realm: realm.to_owned(), ..self }
    }

    pub(crate) fn resource_metadata(self, url: &str) -> Self {
        Answers { resource_metadata: Some(url.to_owned()), ..self }
    }

    pub(crate) fn detail(self, detail: Detail) -> Self {
        Answers { detail, ..self }
    }

    /// The answer to a request with these headers.
    pub(crate) fn refuse(&self, refusal: &Refusal, request: &HeaderMap) -> Response<Bytes> {
        let challenge = challenge(refusal, &self.realm, self.resource_metadata.as_deref());
        let mut response = if is_grpc(request) {
            grpc_answer(refusal)
        } else {
            let reason = match (self.detail, refusal) {
                (Detail::Code, Refusal::Token(error)) => Some(error.code()),
                _ => None,
            };
            problem(refusal.status(), refusal.code(), refusal.sentence(), reason)
        };
        let headers = response.headers_mut();
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Refusal::Token(error) = refusal
            && let Some(wait) = error.retry_after()
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

impl SetUpFault {
    /// A 500 that tells the caller nothing; the log says what to mend.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response<Bytes> {
        if is_grpc(request) {
            return grpc_status("13", "internal error");
        }
        problem(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the service is not set up to answer this", None)
    }
}

fn problem(status: StatusCode, code: &str, sentence: &str, reason: Option<&str>) -> Response<Bytes> {
    // Only constants of ours are written here, none of which needs escaping in JSON.
    let reason = reason.map(|reason| format!(",\"reason\":\"{reason}\"")).unwrap_or_default();
    let body = format!(
        "{{\"type\":\"urn:countersign:problem:{code}\",\"title\":\"{sentence}\",\"status\":{},\"code\":\"{code}\"{reason}}}",
        status.as_u16()
    );
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn is_grpc(request: &HeaderMap) -> bool {
    request.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// gRPC's own form: HTTP 200, headers only (S5.29).
fn grpc_answer(refusal: &Refusal) -> Response<Bytes> {
    let code = match refusal.status() {
        StatusCode::NOT_FOUND => "5",            // NOT_FOUND
        StatusCode::FORBIDDEN => "7",            // PERMISSION_DENIED
        StatusCode::SERVICE_UNAVAILABLE => "14", // UNAVAILABLE
        _ => "16",                               // UNAUTHENTICATED
    };
    grpc_status(code, refusal.sentence())
}

fn grpc_status(code: &'static str, message: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code));
    if let Ok(message) = HeaderValue::from_str(&message.replace(' ', "%20")) {
        headers.insert(HeaderName::from_static("grpc-message"), message);
    }
    response
}
