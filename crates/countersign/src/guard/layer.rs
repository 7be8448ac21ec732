//! The layer.

use countersign_core::authz::Requirement;
use tower_layer::Layer;

use super::service::Require;
use crate::telemetry;

/// Lets only callers through that meet a requirement; created by [`require`], which has an example.
#[derive(Clone, Debug)]
pub struct RequireLayer {
    requirement: Requirement,
}

/// Guards a route: callers that do not meet `requirement` get 401 or 403, with the missing scope or login if one would help.
///
/// The guard belongs behind an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer), closer to the handler. Without
/// that layer it answers 500 and logs the fix.
///
/// A requirement that is in shadow mode as a whole lets every caller through, and anonymous ones if the layer allows them.
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
    /// The requirement, for tables of routes.
    ///
    /// ```
    /// use countersign::prelude::*;
    ///
    /// assert_eq!(require(role("admin")).requirement().to_string(), "role admin");
    /// ```
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
