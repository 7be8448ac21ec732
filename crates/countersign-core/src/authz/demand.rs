//! Requirements as types, for handler signatures.

use super::Requirement;

/// A requirement that a handler's signature names; declared with [`requirement!`](crate::requirement).
///
/// It can also be implemented by hand:
///
/// ```
/// use std::sync::LazyLock;
/// use countersign_core::authz::{Demand, Requirement, role};
///
/// struct Admin;
///
/// impl Demand for Admin {
///     fn requirement() -> &'static Requirement {
///         static ADMIN: LazyLock<Requirement> = LazyLock::new(|| role("admin"));
///         &ADMIN
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a requirement that a signature can name",
    label = "`Demand` is not implemented for `{Self}`",
    note = "declare it with `requirement! {{ pub {Self} = scope(\"orders:read\"); }}`"
)]
pub trait Demand: Send + Sync + 'static {
    /// The requirement, created once per process.
    fn requirement() -> &'static Requirement;
}

/// Declares a type for each requirement, for use in handler signatures.
///
/// ```
/// use countersign_core::authz::{Demand, role, scope};
///
/// countersign_core::requirement! {
///     /// May write orders.
///     pub CanWrite = scope("orders:write").and(role("clerk"));
/// }
/// assert_eq!(CanWrite::requirement().to_string(), "scope orders:write and role clerk");
/// ```
#[macro_export]
macro_rules! requirement {
    ($($(#[$meta:meta])* $visibility:vis $name:ident = $requirement:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::authz::Demand for $name {
            fn requirement() -> &'static $crate::authz::Requirement {
                static REQUIREMENT: ::std::sync::LazyLock<$crate::authz::Requirement> =
                    ::std::sync::LazyLock::new(|| $requirement);
                &REQUIREMENT
            }
        }

        impl ::core::convert::From<$name> for $crate::authz::Requirement {
            fn from(_: $name) -> Self {
                <$name as $crate::authz::Demand>::requirement().clone()
            }
        }
    )+};
}
