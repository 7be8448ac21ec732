//! Accepts requests only from the inspector's own page and host name. Refuses other pages, other names (DNS rebinding) and frames.

use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::state::Inspector;
use crate::server::{is_from_another_page, only, with_headers};
use crate::tools::secret::is_same;

/// The header with which the page proves that it was opened with the address that this run printed.
pub(super) const SECRET_HEADER: &str = "x-countersign-run";

/// The refusal of a foreign request, by its head: nobody else makes the inspector read a body.
pub(super) fn refusal(state: &Inspector, request: &Parts) -> Option<Response> {
    check(state, request).err().map(|refusal| with_headers(refusal.into_response()))
}

fn check(state: &Inspector, request: &Parts) -> Result<(), (StatusCode, &'static str)> {
    let headers = &request.headers;
    let host = only(headers, header::HOST.as_str())
        .ok_or((StatusCode::BAD_REQUEST, "exactly one Host header is required\n"))?;
    let is_ours = |authority: &str| names(state).any(|name| name == authority);
    if !is_ours(host) || request.uri.authority().is_some_and(|authority| !is_ours(authority.as_str())) {
        return Err((StatusCode::FORBIDDEN, "this server only serves its loopback address\n"));
    }
    // Services under test fetch the test keys, which are public.
    if request.uri.path().starts_with("/.well-known/") {
        return Ok(());
    }
    if is_from_another_page(headers) {
        return Err((StatusCode::FORBIDDEN, "another page sent this request\n"));
    }
    if !request.uri.path().starts_with("/api/") {
        return Ok(());
    }
    let origin = only(headers, header::ORIGIN.as_str());
    if request.method == Method::POST && origin.is_none_or(|origin| origin != format!("http://{host}")) {
        return Err((StatusCode::FORBIDDEN, "another page sent this request\n"));
    }
    match only(headers, SECRET_HEADER).is_some_and(|shown| is_same(shown, &state.secret)) {
        true => Ok(()),
        false => Err((
            StatusCode::FORBIDDEN,
            "this page lacks the secret of this run; open the address that the command printed\n",
        )),
    }
}

/// The authorities under which the inspector is reachable.
fn names(state: &Inspector) -> impl Iterator<Item = String> {
    let port = state.address.rsplit(':').next().unwrap_or_default().to_owned();
    ["127.0.0.1", "localhost"].into_iter().map(move |host| format!("{host}:{port}"))
}
