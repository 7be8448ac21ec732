//! The response to a refused request: status, challenge, body and headers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::authz::Denial;
use countersign_core::error::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::challenge::{Offer, challenges, is_quotable, sent_dpop};
use super::form::AnswerForm;
use super::problem::{Detail, Problem};
use super::refusal::Refusal;
use super::render::{Render, Renderer};
use crate::telemetry::counts;

/// The status of tonic for services and methods that do not exist.
const GRPC_UNIMPLEMENTED: &str = "12";

/// The headers of a refusal that pages of other origins may read.
const EXPOSED: &str = "www-authenticate, retry-after";

/// The same with a nonce.
const EXPOSED_WITH_NONCE: &str = "www-authenticate, retry-after, dpop-nonce";

/// The header of nonces (RFC 9449 §8.1).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Creates the responses to refused requests.
#[derive(Clone, Debug)]
pub(crate) struct Responder {
    realm: String,
    resource_metadata_url: Option<String>,
    /// The algorithms of proofs, if the scheme `DPoP` is taken.
    dpop: Option<String>,
    /// The scopes that every request needs, with spaces between them.
    scopes: Option<String>,
    detail: Detail,
    renderer: Option<Renderer>,
    not_found: Option<NotFound>,
}

/// Writes the answers of hidden resources.
#[derive(Clone)]
struct NotFound(Arc<NotFoundAnswer>);

type NotFoundAnswer = dyn Fn(&HeaderMap) -> Response<Bytes> + Send + Sync;

/// A mistake in the set-up of the service, answered with 500.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetupFault;

impl Default for Responder {
    fn default() -> Self {
        Responder {
            realm: "api".into(),
            resource_metadata_url: None,
            dpop: None,
            scopes: None,
            detail: Detail::default(),
            renderer: None,
            not_found: None,
        }
    }
}

impl Responder {
    pub(crate) fn realm(self, realm: String) -> Self {
        Responder { realm, ..self }
    }

    pub(crate) fn resource_metadata_url(self, url: String) -> Self {
        Responder { resource_metadata_url: Some(url), ..self }
    }

    /// Offers the scheme `DPoP`, with proofs of these algorithms.
    pub(crate) fn dpop(self, algorithms: String) -> Self {
        Responder { dpop: Some(algorithms), ..self }
    }

    /// Names scopes in challenges to callers without a valid token; none if there is none.
    pub(crate) fn scopes(self, scopes: &[String]) -> Self {
        Responder { scopes: (!scopes.is_empty()).then(|| scopes.join(" ")), ..self }
    }

    pub(crate) fn detail(self, detail: Detail) -> Self {
        Responder { detail, ..self }
    }

    /// Returns whether callers learn the exact reason.
    pub(crate) fn tells_detail(&self) -> bool {
        self.detail != Detail::Coarse
    }

    pub(crate) fn render(self, render: impl Render) -> Self {
        Responder { renderer: Some(Renderer(Arc::new(render))), ..self }
    }

    pub(crate) fn not_found(self, answer: impl Fn(&HeaderMap) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Responder { not_found: Some(NotFound(Arc::new(answer))), ..self }
    }

    /// Returns whether answers may depend on any header of the request, and not only on `Origin`.
    #[cfg(feature = "axum")]
    pub(crate) fn reads_all_headers(&self) -> bool {
        self.renderer.is_some() || self.not_found.is_some()
    }

    /// The settings that a challenge cannot hold; they are refused rather than left out silently.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let problem = "a challenge holds only printable ASCII without quotes and backslashes, and it must not be empty";
        let settings = [
            ("realm", Some(&self.realm)),
            ("resource_metadata_url", self.resource_metadata_url.as_ref()),
            ("challenge_scopes", self.scopes.as_ref()),
        ];
        let faulty = settings.into_iter().filter(|(_, text)| text.is_some_and(|text| !is_quotable(text)));
        faulty.map(|(field, _)| Fault::new(field, problem)).collect()
    }

    /// Creates the response to a request with these headers.
    pub(crate) fn refuse(&self, refusal: &Refusal, request: &HeaderMap, form: AnswerForm) -> Response<Bytes> {
        counts::refused(refusal.exact_code());
        if let Refusal::Denied(Denial::NotFound) = refusal {
            return self.hidden(request, form);
        }
        let offer = Offer {
            realm: &self.realm,
            resource_metadata: self.resource_metadata_url.as_deref(),
            dpop: self.dpop.as_deref(),
            scopes: self.scopes.as_deref(),
        };
        let challenges = challenges(refusal, &offer, sent_dpop(request));
        let mut response = match form {
            AnswerForm::Http => self.http_refusal(refusal, request),
            AnswerForm::Grpc => grpc_refusal(refusal),
        };
        let headers = response.headers_mut();
        for challenge in challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        let nonce = refusal.nonce();
        if let Some(nonce) = nonce {
            headers.insert(DPOP_NONCE, nonce.clone());
        }
        if let Some(wait) = refusal.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if request.contains_key(header::ORIGIN) {
            // Browsers hide these headers from pages of other origins. Who may read the response at all, CORS decides.
            let exposed = if nonce.is_some() { EXPOSED_WITH_NONCE } else { EXPOSED };
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        }
        response
    }

    /// The response of a hidden resource, without anything that a router's own 404 lacks.
    fn hidden(&self, request: &HeaderMap, form: AnswerForm) -> Response<Bytes> {
        if form == AnswerForm::Grpc {
            return grpc_status(GRPC_UNIMPLEMENTED, "");
        }
        let response = self.not_found.as_ref().map(|NotFound(answer)| answer(request));
        let mut response = response.unwrap_or_else(|| Response::new(Bytes::new()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }

    /// The response with a body, from the service's renderer if it has one; status and `no-store` are fixed.
    fn http_refusal(&self, refusal: &Refusal, request: &HeaderMap) -> Response<Bytes> {
        let reason = match (self.detail, refusal) {
            // Of a forged token, a reason would show who is trusted.
            (Detail::Code, Refusal::Token(error) | Refusal::Transaction(error)) if error.is_signature_verified() => {
                Some(error.code())
            }
            _ => None,
        };
        let problem = Problem { status: refusal.status(), code: refusal.code(), title: refusal.title(), reason };
        let Some(Renderer(renderer)) = &self.renderer else { return problem_response(&problem) };
        let mut response = renderer.render(&problem, request);
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.remove(header::WWW_AUTHENTICATE);
        response
    }
}

impl fmt::Debug for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotFound")
    }
}

impl SetupFault {
    /// A 500 that tells the caller nothing; the log states the fix.
    pub(crate) fn response(self, form: AnswerForm) -> Response<Bytes> {
        if form == AnswerForm::Grpc {
            return grpc_status("13", "internal error");
        }
        let (code, title) = ("internal_error", "the service is not set up to answer this request");
        problem_response(&Problem { status: StatusCode::INTERNAL_SERVER_ERROR, code, title, reason: None })
    }
}

/// The response without a renderer.
fn problem_response(problem: &Problem) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(problem.to_string()));
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A gRPC response with HTTP 200 and headers only.
fn grpc_refusal(refusal: &Refusal) -> Response<Bytes> {
    let code = match refusal.status() {
        StatusCode::FORBIDDEN => "7",            // PERMISSION_DENIED
        StatusCode::SERVICE_UNAVAILABLE => "14", // UNAVAILABLE
        _ => "16",                               // UNAUTHENTICATED
    };
    let mut response = grpc_status(code, refusal.title());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn grpc_status(code: &'static str, message: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code));
    if let Ok(message) = HeaderValue::from_str(&message.replace(' ', "%20"))
        && !message.is_empty()
    {
        headers.insert(HeaderName::from_static("grpc-message"), message);
    }
    response
}
