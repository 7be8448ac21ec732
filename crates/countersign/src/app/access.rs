//! Access to a route.

use std::fmt;

use countersign_core::authz::Requirement;

/// Access to a route, stated for every route of [`Routes`](super::Routes).
///
/// A [`Requirement`] converts into it:
///
/// ```
/// use countersign::app::{Access, Routes};
/// use countersign::prelude::*;
///
/// let routes: Routes = Routes::new()
///     .get("/health", Access::Public, || async { "ok" })
///     .get("/me", Access::Authenticated, |claims: Claims| async move { claims.subject().to_owned() })
///     .get("/orders", scope("orders:read"), || async { "orders" });
/// assert_eq!(routes.table().public().count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Any caller. A token that is sent is ignored.
    Public,
    /// Any caller, but a token that is sent must be valid; the handler reads it with `Option<Claims>`.
    Optional,
    /// Callers with a token that the verifier accepts.
    Authenticated,
    /// Callers that meet the requirement.
    Required(Requirement),
}

impl Access {
    /// The kind as one word: `public`, `optional`, `authenticated` or `required`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Optional => "optional",
            Access::Authenticated => "authenticated",
            Access::Required(_) => "required",
        }
    }
}

impl<R: Into<Requirement>> From<R> for Access {
    fn from(requirement: R) -> Self {
        Access::Required(requirement.into())
    }
}

/// The requirement in words, or the kind.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Required(requirement) => write!(f, "{requirement}"),
            _ => f.write_str(self.kind()),
        }
    }
}
