//! The names that most services need.

pub use crate::authenticate::AuthenticateLayer;
#[cfg(feature = "axum")]
pub use crate::extract::{Claims, Tenant};
pub use crate::guard::require;
#[cfg(feature = "remote-keys")]
pub use crate::issuers::{jwks, oidc};
#[cfg(feature = "outbound")]
pub use crate::outbound::{ClientCredentials, Outbound};
pub use countersign_core::authz::{Requirement, authenticated_within, permission, role, scope, tenant_in_path};
pub use countersign_core::policy::TrustedIssuer;
pub use countersign_core::verify::Verifier;
