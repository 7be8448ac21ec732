//! Who may call a route.

use std::fmt;

use countersign_core::authz::Requirement;

/// Who may call a route; said at every route of [`Routes`](super::Routes).
///
/// A [`Requirement`] is one too, so that it can be written as it is:
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
    /// Anyone. A token that is sent is not looked at.
    Public,
    /// Anyone, but a token that is sent must be good; `Option<Claims>` tells the handler.
    Optional,
    /// Whoever has a token that the verifier accepts.
    Authenticated,
    /// Whoever meets the requirement.
    Required(Requirement),
}

impl Access {
    /// One word for programs: `public`, `optional`, `authenticated` or `required`.
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

/// The requirement in words, else the kind.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Required(requirement) => write!(f, "{requirement}"),
            _ => f.write_str(self.kind()),
        }
    }
}
