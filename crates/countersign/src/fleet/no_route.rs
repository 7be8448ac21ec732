//! The compiler's message for `route` without the feature `axum`.

use super::FleetMember;

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "`FleetMember::route` exists only with the feature `axum`",
    label = "requires the feature `axum`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"axum\"] }}; `FleetMember::report` requires no feature"
)]
pub trait FleetRouteFeature {}

#[doc(hidden)]
impl FleetMember {
    pub fn route(&self)
    where
        for<'a> Self: FleetRouteFeature,
    {
    }
}
