//! The compiler's message for `route` without the feature `axum`.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use super::Health;

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "`Health::route` exists only with the feature `axum`",
    label = "requires the feature `axum`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"axum\"] }}; `Health::respond` requires no feature"
)]
pub trait AxumFeature {}

#[doc(hidden)]
impl Health {
    pub fn route(&self)
    where
        for<'a> Self: AxumFeature,
    {
    }
}
