//! The page's files, embedded in the binary. They hold no data.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;

use super::store::Store;

/// The files of the page, and their types.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("page/page.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/theme.css", "text/css; charset=utf-8", include_str!("../inspector/page/theme.css")),
    ("/icon.svg", "image/svg+xml", include_str!("../inspector/page/icon.svg")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
];

/// The paths of the files.
pub(super) const PATHS: [&str; 5] = [FILES[0].0, FILES[1].0, FILES[2].0, FILES[3].0, FILES[4].0];

pub(super) fn router() -> Router<Arc<Store>> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, kind)], content) }))
    })
}
