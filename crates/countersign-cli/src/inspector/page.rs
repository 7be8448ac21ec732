//! The page's files, embedded in the binary.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::state::Inspector;

const PAGE: &str = include_str!("page/page.html");

/// The files that the page loads, and their types.
const FILES: [(&str, &str, &str); 11] = [
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/theme.css", "text/css; charset=utf-8", include_str!("page/theme.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/main.js", SCRIPT, include_str!("page/main.js")),
    ("/api.js", SCRIPT, include_str!("page/api.js")),
    ("/pane.js", SCRIPT, include_str!("page/pane.js")),
    ("/check.js", SCRIPT, include_str!("page/check.js")),
    ("/compare.js", SCRIPT, include_str!("page/compare.js")),
    ("/mint.js", SCRIPT, include_str!("page/mint.js")),
    ("/proof.js", SCRIPT, include_str!("page/proof.js")),
    ("/try.js", SCRIPT, include_str!("page/try.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) fn router() -> Router<Arc<Inspector>> {
    // Every user of the machine can read the page, so it holds no secret: the script takes it from the fragment of the
    // address, which browsers do not send.
    let index = || async { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response() };
    FILES.into_iter().fold(Router::new().route("/", get(index)), |router, (path, kind, content)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, kind)], content) }))
    })
}
