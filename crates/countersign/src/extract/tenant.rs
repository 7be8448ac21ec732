//! The caller's tenant as a handler argument.

use std::fmt;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use countersign_core::authz::Denial;
use countersign_core::claims::TenantId;
use http::request::Parts;

use super::rejection::{Rejection, caller};
use crate::authenticate::LayerContext;
use crate::response::Refusal;
use crate::telemetry;

/// The tenant of the caller's token. A token without one is refused with 403.
///
/// Use [`TenantId::key`] as the key of whatever you store or cache, so that no tenant gets another's data. The layer records
/// the tenant in a request span that has an empty field `tenant`.
///
/// ```
/// use countersign::prelude::*;
///
/// async fn orders(tenant: Tenant) -> String {
///     format!("orders of tenant {tenant}")
/// }
/// # let _: axum::Router = axum::Router::new().route("/orders", axum::routing::get(orders));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant(TenantId);

impl Deref for Tenant {
    type Target = TenantId;

    fn deref(&self) -> &TenantId {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let caller = caller(parts)?;
        if let Some(tenant) = caller.verified.tenant() {
            return Ok(Tenant(tenant.clone()));
        }
        let LayerContext { clock, samples, subjects, .. } = &*caller.context;
        telemetry::no_tenant(caller.identity(), subjects.as_ref(), samples, clock.elapsed());
        Err(Rejection::refused(&Refusal::Denied(Denial::Forbidden), Some(&"a tenant"), parts))
    }
}
