//! The one line of the log about the routes that a layer covers.

use std::any::type_name;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::telemetry;

/// True once the log has said which routes of a router the layer covers, or need not say it.
#[derive(Debug, Default)]
pub(super) struct Coverage(AtomicBool);

impl Coverage {
    /// The layer wraps another service. Routers do so while an app is built, not for each request.
    pub(super) fn add<S>(&self) {
        // A router wraps each of its routes by itself; other services are whole. The name of a type is enough for a log.
        let is_route = || type_name::<S>().contains("axum::routing::route::Route");
        if !self.0.load(Ordering::Relaxed) && is_route() && !self.0.swap(true, Ordering::Relaxed) {
            telemetry::earlier_routes_covered();
        }
    }

    /// The layer covers an app that takes no more routes.
    pub(super) fn set_whole(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
