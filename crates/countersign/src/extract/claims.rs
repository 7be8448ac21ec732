//! Typed claims of a verified token.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use countersign_core::authz::{Denial, Requirement};
use countersign_core::claims::{FromClaims, TenantId};
use countersign_core::clock::UnixTime;
use countersign_core::integration::{RequestContext, check_in_transaction};
use countersign_core::verify::Verified;
use http::request::Parts;

use super::rejection::{Caller, Rejection, caller, caller_or_anonymous};
use crate::authenticate::LayerContext;
use crate::response::Refusal;
use crate::telemetry;

/// The claims of a verified token, decoded into the handler's own type `C`.
///
/// Registered claims, which were checked, are methods; the fields of `C` are available through `Deref`. Each token is decoded
/// once for each type, also over several requests. [`Evolving<C>`](countersign_core::claims::Evolving) decodes a type that
/// has changed over time. Claims that do not decode are answered with 403 `claims_schema`.
///
/// A claim that the token declares to be elsewhere (`_claim_names`, `hasgroups`) decodes as an absent one. Rules refuse over
/// such a claim; a handler that reads a list itself checks [`Grants::distributed`](countersign_core::authz::Grants::distributed)
/// first.
///
/// ```
/// use countersign::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaims {
///     plan: String,
///     #[serde(default)] // added in schema 2; tokens of schema 1 still decode
///     region: Option<String>,
/// }
///
/// async fn create(claims: Claims<OrderClaims>) -> String {
///     format!("{} on plan {} in {:?}", claims.subject(), claims.plan, claims.region)
/// }
///
/// async fn greet(who: Option<Claims>) -> String {
///     who.map_or("hello, guest".into(), |claims| format!("hello, {}", claims.subject()))
/// }
/// # let _: axum::Router = axum::Router::new()
/// #     .route("/orders", axum::routing::post(create))
/// #     .route("/", axum::routing::get(greet));
/// ```
pub struct Claims<C = Registered> {
    caller: Caller,
    own: Arc<C>,
}

/// The default type of [`Claims`], which has an example: only the registered claims.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct Registered {}

impl<C> Claims<C> {
    /// The issuer (`iss`). Issuer and subject together identify the caller.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.caller.verified.issuer()
    }

    /// The subject (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        self.caller.verified.subject()
    }

    /// The party that acts for the subject (`act.sub`), outermost. With [`actor_issuer`](Self::actor_issuer) it is the
    /// identity of the actor.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.caller.verified.actor()
    }

    /// The issuer of the actor: the one that the token names (`act.iss`), or that of the token.
    #[must_use]
    pub fn actor_issuer(&self) -> Option<&str> {
        self.caller.verified.actor_issuer()
    }

    /// The expiry of the token (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.caller.verified.expires_at()
    }

    /// The tenant, if the issuer's mapping names one.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.caller.verified.tenant()
    }

    /// Refuses a caller that does not meet `requirement`, as a guard does: for rules that need what only the handler knows.
    ///
    /// ```
    /// use countersign::authz::owner;
    /// use countersign::extract::Rejection;
    /// use countersign::prelude::*;
    ///
    /// struct Order {
    ///     owner: String,
    /// }
    ///
    /// async fn close(claims: Claims) -> Result<&'static str, Rejection> {
    ///     let order = Order { owner: "ann".into() }; // from the database
    ///     claims.require(&owner(claims.issuer(), order.owner).or(role("admin")))?;
    ///     Ok("closed")
    /// }
    /// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(close));
    /// ```
    ///
    /// # Errors
    /// The answer: 403, 401 for a step-up, or 404 for a hidden resource. A requirement that names the request's path, a
    /// header or its host, which are not available here, is answered with 500 and an error in the log: guard the route with
    /// it, or use [`Authorized`](super::Authorized).
    pub fn require(&self, requirement: &Requirement) -> Result<(), Rejection> {
        self.caller.require(requirement)
    }

    /// The answer of a hidden resource, for a handler that found none for this caller; the layer's
    /// [`not_found`](crate::authenticate::AuthenticateLayerBuilder::not_found) sets it. The log has the code
    /// `handler_not_found`.
    ///
    /// ```
    /// use countersign::extract::Rejection;
    /// use countersign::prelude::*;
    ///
    /// async fn show(claims: Claims) -> Result<String, Rejection> {
    ///     let order = Some("an order").filter(|_| claims.subject() == "ann"); // from the database
    ///     order.map(str::to_owned).ok_or_else(|| claims.not_found())
    /// }
    /// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(show));
    /// ```
    #[must_use]
    pub fn not_found(&self) -> Rejection {
        self.caller.denied(Denial::NotFound)
    }

    /// The answer of a guard that denies, for a handler with a rule of its own: 403. The log has the code
    /// `handler_forbidden`.
    ///
    /// ```
    /// use countersign::extract::Rejection;
    /// use countersign::prelude::*;
    ///
    /// async fn reopen(claims: Claims) -> Result<&'static str, Rejection> {
    ///     let is_closed_for_good = claims.subject().is_empty(); // from the database
    ///     if is_closed_for_good { Err(claims.forbidden()) } else { Ok("reopened") }
    /// }
    /// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(reopen));
    /// ```
    #[must_use]
    pub fn forbidden(&self) -> Rejection {
        self.caller.denied(Denial::Forbidden)
    }

    /// Returns whether the caller meets `requirement`, for a handler that does less instead of refusing.
    ///
    /// A requirement that names the request's path, a header or its host is never met here.
    #[must_use]
    pub fn meets(&self, requirement: &Requirement) -> bool {
        let context = RequestContext::from_clock(&*self.caller.context.clock);
        let (verified, transaction) = self.caller.identity();
        check_in_transaction(verified, requirement, context, transaction).is_allowed()
    }

    /// The verified token.
    #[must_use]
    pub fn verified(&self) -> &Arc<Verified> {
        &self.caller.verified
    }
}

impl<C> Deref for Claims<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.own
    }
}

impl<C> Clone for Claims<C> {
    fn clone(&self) -> Self {
        Claims { caller: self.caller.clone(), own: Arc::clone(&self.own) }
    }
}

/// Only metadata: claims are personal.
impl<C> fmt::Debug for Claims<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("verified", self.verified()).finish_non_exhaustive()
    }
}

/// Decodes the claims of a caller; 403 `claims_schema` if they do not decode.
pub(crate) fn decode<C: FromClaims>(caller: Caller, parts: &Parts) -> Result<Claims<C>, Rejection> {
    match caller.verified.claims::<C>() {
        Ok(own) => Ok(Claims { caller, own }),
        Err(error) => {
            let LayerContext { clock, samples, .. } = &*caller.context;
            telemetry::claims_schema(std::any::type_name::<C>(), &error, samples, clock.elapsed());
            Err(Rejection::refused(&Refusal::Denied(Denial::ClaimsSchema), Some(&"claims of the expected type"), parts))
        }
    }
}

impl<C: FromClaims, S: Sync> FromRequestParts<S> for Claims<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        decode(caller(parts)?, parts)
    }
}

/// `None` for an anonymous caller that the layer allows; a bad token is refused before.
impl<C: FromClaims, S: Sync> OptionalFromRequestParts<S> for Claims<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        caller_or_anonymous(parts)?.map(|caller| decode(caller, parts)).transpose()
    }
}
