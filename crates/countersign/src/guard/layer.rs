//! The layer.

use countersign_core::authz::Requirement;
use tower_layer::Layer;

use super::service::Require;
use crate::telemetry;

/// Lets only callers through who meet a requirement; made by [`require`].
#[derive(Clone, Debug)]
pub struct RequireLayer {
    requirement: Requirement,
}

/// Guards a route: callers who do not meet `requirement` get 401 or 403, with what would help.
///
/// It stands behind an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer), in any order that puts the guard
/// nearer to the handler. Without that layer it answers 500 and logs how to mend it, never lets pass.
///
/// A requirement that is in shadow mode as a whole lets everybody pass, anonymous callers too where they may come.
///
/// A requirement with a [configuration fault](Requirement::check_config) refuses every caller; the fault is logged here.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::prelude::*;
///
/// let app: Router = Router::new().route("/orders", get(|| async { "orders" }).layer(require(scope("orders:read"))));
/// # let _ = app;
/// ```
pub fn require(requirement: impl Into<Requirement>) -> RequireLayer {
    let requirement = requirement.into();
    if let Err(error) = requirement.check_config() {
        telemetry::faulty_requirement(&requirement, &error);
    }
    RequireLayer { requirement }
}

impl RequireLayer {
    /// What it requires, for tables of routes.
    pub fn requirement(&self) -> &Requirement {
        &self.requirement
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Require<S> {
        Require::new(inner, self.requirement.clone())
    }
}
