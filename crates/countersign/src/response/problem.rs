//! Problem bodies (RFC 9457), and the whole answer around them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::challenge::challenge;
use super::refusal::Refusal;
use super::render::{Problem, Render, Renderer};

/// The headers of a refusal that pages of other origins may read.
const EXPOSED: &str = "www-authenticate, retry-after";

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
    renderer: Option<Renderer>,
}

/// A mistake in the set-up of the service, answered with 500.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetUpFault;

impl Default for Answers {
    fn default() -> Self {
        Answers { realm: "api".into(), resource_metadata: None, detail: Detail::default(), renderer: None }
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

    pub(crate) fn render(self, render: impl Render) -> Self {
        Answers { renderer: Some(Renderer(Arc::new(render))), ..self }
    }

    /// The answer to a request with these headers.
    pub(crate) fn refuse(&self, refusal: &Refusal, request: &HeaderMap) -> Response<Bytes> {
        let challenge = challenge(refusal, &self.realm, self.resource_metadata.as_deref());
        let mut response = if is_grpc(request) { grpc_answer(refusal) } else { self.in_words(refusal, request) };
        let headers = response.headers_mut();
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = refusal.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if request.contains_key(header::ORIGIN) {
            // What a browser hides from pages of other origins unless told; who may read the answer at all is CORS's matter.
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        response
    }

    /// The body, by the service's own renderer where it has one; status and `no-store` are not the renderer's to choose.
    fn in_words(&self, refusal: &Refusal, request: &HeaderMap) -> Response<Bytes> {
        let reason = match (self.detail, refusal) {
            (Detail::Code, Refusal::Token(error)) => Some(error.code()),
            _ => None,
        };
        let problem = Problem { status: refusal.status(), code: refusal.code(), title: refusal.sentence(), reason };
        let Some(Renderer(renderer)) = &self.renderer else { return answer(&problem) };
        let mut response = renderer.render(&problem, request);
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.remove(header::WWW_AUTHENTICATE);
        response
    }
}

impl SetUpFault {
    /// A 500 that tells the caller nothing; the log says what to mend.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response<Bytes> {
        if is_grpc(request) {
            return grpc_status("13", "internal error");
        }
        let (code, title) = ("internal_error", "the service is not set up to answer this");
        answer(&Problem { status: StatusCode::INTERNAL_SERVER_ERROR, code, title, reason: None })
    }
}

/// The answer without a renderer.
fn answer(problem: &Problem) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(problem.to_string()));
    *response.status_mut() = problem.status;
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
