//! Facts about the sender of a request, by its head.

use axum::http::HeaderMap;

/// The value of a header that occurs exactly once.
pub(crate) fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Returns whether a browser states that the page of another site sent the request.
pub(crate) fn is_from_another_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    site.is_some_and(|site| !matches!(site, "none" | "same-origin"))
}
