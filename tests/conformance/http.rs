//! What a caller over HTTP sees of the same verdicts.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::prelude::{Requirement, require};
use countersign::verify::Verifier;
use tower::ServiceExt;

/// A request without credentials: challenged without an error.
pub const NONE: &str = "401-NONE";
/// A token that is refused.
pub const TOK: &str = "401-TOK";
/// A header that is malformed.
pub const REQ: &str = "400-REQ";
/// A login that is too old.
pub const STEP: &str = "401-STEP";
/// A token that lacks a scope.
pub const SCOPE: &str = "403-SCOPE";
/// A caller who may not, whatever the scopes.
pub const DENY: &str = "403-DENY";
/// A token that cannot be judged.
pub const KEYS: &str = "503-KEYS";
/// Text that no HTTP header can hold, so that it never arrives.
pub const UNSENDABLE: &str = "unsendable";

/// The outcome of a request with `Authorization: Bearer <token>`.
pub fn outcome(verifier: &Verifier, token: &str) -> &'static str {
    let Ok(value) = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()) else { return UNSENDABLE };
    answer(open(verifier), Some(value))
}

/// The outcome of the same request where the route asks for `requirement`.
pub fn guarded_outcome(verifier: &Verifier, requirement: Requirement, token: &str) -> &'static str {
    let Ok(value) = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()) else { return UNSENDABLE };
    let app = Router::new()
        .route("/", get(|| async { "done" }).layer(require(requirement)))
        .layer(AuthenticateLayer::new(verifier.clone()));
    answer(app, Some(value))
}

/// The outcome of a request without a header.
pub fn outcome_without_token(verifier: &Verifier) -> &'static str {
    answer(open(verifier), None)
}

fn open(verifier: &Verifier) -> Router {
    Router::new().route("/", get(|| async { "done" })).layer(AuthenticateLayer::new(verifier.clone()))
}

fn answer(app: Router, authorization: Option<HeaderValue>) -> &'static str {
    let mut request = Request::get("/").body(Body::empty()).expect("a request");
    if let Some(value) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let response = runtime.block_on(app.oneshot(request)).expect("the router answers");
    let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().expect("text"));
    let says = |error: &str| challenge.is_some_and(|text| text.contains(&format!("error=\"{error}\"")));
    match response.status() {
        StatusCode::OK if challenge.is_none() => super::fixture::OK,
        StatusCode::UNAUTHORIZED if says("invalid_token") => TOK,
        StatusCode::UNAUTHORIZED if says("insufficient_user_authentication") => STEP,
        StatusCode::UNAUTHORIZED if challenge.is_some_and(|text| !text.contains("error=")) => NONE,
        StatusCode::BAD_REQUEST if says("invalid_request") => REQ,
        StatusCode::FORBIDDEN if says("insufficient_scope") => SCOPE,
        StatusCode::FORBIDDEN if challenge.is_none() => DENY,
        StatusCode::SERVICE_UNAVAILABLE
            if challenge.is_none() && response.headers().contains_key(header::RETRY_AFTER) =>
        {
            KEYS
        }
        other => panic!("an answer of no known form: {other}, {challenge:?}"),
    }
}
