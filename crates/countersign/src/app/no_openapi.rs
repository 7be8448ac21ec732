//! The compiler's message for `secure` without the feature `utoipa`.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use super::table::RouteTable;

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "`RouteTable::secure` exists only with the feature `utoipa`",
    label = "requires the feature `utoipa`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"utoipa\"] }}"
)]
pub trait UtoipaFeature {}

#[doc(hidden)]
impl RouteTable {
    pub fn secure<D>(&self, _: &mut D, _: &str)
    where
        for<'a> Self: UtoipaFeature,
    {
    }
}
