//! Events of apps as they are built.

use countersign_core::error::ConfigError;

pub(crate) fn faulty_routes(error: &ConfigError) {
    tracing::error!(
        target: "countersign::app", %error, "routes refuse every caller, unless an outer router's path has the parameter"
    );
}

/// `routes` are those that need no token.
pub(crate) fn open_routes(routes: &[String]) {
    /// The most routes that the event lists.
    const MAX_LISTED: usize = 16;
    let mut listed = routes.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = routes.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        listed = format!("{listed}, and {more} more");
    }
    tracing::info!(target: "countersign::app", routes = listed, "routes that need no token; all others do");
}

/// A protected app became a plain router.
pub(crate) fn app_left_open() {
    tracing::info!(
        target: "countersign::app",
        fix = "give these routes to `protect` too, or serve its result as it is",
        "a protected app became part of a plain router: other routes of that router need no token"
    );
}

/// A layer was added to a router.
pub(crate) fn earlier_routes_covered() {
    tracing::info!(
        target: "countersign::app",
        fix = "add the layer last, or use `app::protect`; `countersign attack URL` finds open routes",
        "authentication covers the routes that were added before its layer: routes added later need no token"
    );
}

/// `operations` and `routes` are the first few of each.
#[cfg(feature = "utoipa")]
pub(crate) fn unmatched_operations(operations: &[String], routes: &[String]) {
    let first = |names: &[String]| names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    tracing::warn!(
        target: "countersign::app", operations = first(operations), routes = first(routes),
        "the OpenAPI document has operations without a route, or lacks routes"
    );
}
