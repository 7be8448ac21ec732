//! Events of apps as they are built.

use countersign_core::error::ConfigError;

pub(crate) fn faulty_routes(error: &ConfigError) {
    tracing::error!(
        target: "countersign::app", %error, "routes refuse every caller, unless an outer router's path has the parameter"
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
