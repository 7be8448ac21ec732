//! The claims of a caller that meets a requirement in the handler's signature.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use countersign_core::authz::Demand;
use countersign_core::claims::FromClaims;
use http::request::Parts;

use super::claims::{Claims, Registered, decode};
use super::rejection::{Rejection, caller_for};
use crate::audit::Weight;
use crate::authenticate::LayerContext;
use crate::guard::{HttpFacts, evaluate, lacks_transactions, path_parameters, warn_of_missing_parameters};
use crate::telemetry;

/// The claims of a caller that meets the requirement `D`; no other caller reaches a handler with this argument.
///
/// ```
/// use countersign::extract::Authorized;
/// use countersign::prelude::*;
///
/// countersign::requirement! {
///     /// May write orders of the tenant in the path.
///     CanWrite = tenant_in_path("tenant").and(scope("orders:write"));
/// }
///
/// async fn create(caller: Authorized<CanWrite>) -> String {
///     format!("created by {}", caller.subject())
/// }
/// # let _: axum::Router = axum::Router::new().route("/{tenant}/orders", axum::routing::post(create));
/// ```
pub struct Authorized<D, C = Registered> {
    claims: Claims<C>,
    demand: PhantomData<fn() -> D>,
}

impl<D, C> Authorized<D, C> {
    /// The claims without the requirement.
    #[must_use]
    pub fn into_claims(self) -> Claims<C> {
        self.claims
    }
}

impl<D, C> Deref for Authorized<D, C> {
    type Target = Claims<C>;

    fn deref(&self) -> &Claims<C> {
        &self.claims
    }
}

impl<D, C> Clone for Authorized<D, C> {
    fn clone(&self) -> Self {
        Authorized { claims: self.claims.clone(), demand: PhantomData }
    }
}

/// Only metadata: claims are personal.
impl<D, C> fmt::Debug for Authorized<D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("claims", &self.claims).finish_non_exhaustive()
    }
}

impl<D: Demand, C: FromClaims, S: Sync> FromRequestParts<S> for Authorized<D, C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let requirement = D::requirement();
        let caller = caller_for(requirement, parts)?;
        if lacks_transactions(requirement, &caller.context) {
            return Err(Rejection::setup_fault(caller.form));
        }
        let needs_path = requirement.path_parameters().next().is_some();
        let parameters = if needs_path { path_parameters(&mut parts.extensions) } else { Vec::new() };
        let facts = HttpFacts { parameters: &parameters, headers: &parts.headers, uri: &parts.uri };
        if needs_path && let Some(parameter) = facts.repeated(requirement.path_parameters()) {
            let LayerContext { clock, samples, .. } = &*caller.context;
            telemetry::repeated_parameter(parts.uri.path(), parameter, samples, clock.elapsed());
            if let Some(trail) = caller.trail() {
                trail.failed(Some(requirement), Weight::Provisional);
            }
            return Err(Rejection::setup_fault(caller.form));
        }
        let weight = Weight::Provisional;
        if let Err(denied) = evaluate(requirement, caller.identity(), &caller.context, &facts, caller.trail(), weight) {
            warn_of_missing_parameters(requirement, &facts, parts.uri.path(), &caller.context);
            return Err(Rejection::denied(&caller.context, denied, &parts.headers, caller.form));
        }
        Ok(Authorized { claims: decode(caller, parts)?, demand: PhantomData })
    }
}
