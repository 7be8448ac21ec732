//! `Claims<C>`: the last of the proof types.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use countersign_core::authz::{Decision, Requirement};
use countersign_core::clock::UnixTime;
use countersign_core::verify::Verified;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::rejection::{Rejection, caller};
use crate::response::Refusal;
use crate::telemetry;

/// The claims of a verified token, decoded into the handler's own type `C`.
///
/// Registered claims are methods, since they were checked and not just parsed; the fields of `C` are there by `Deref`.
/// Decoding happens once a token and type, however many handlers ask and however often the token comes again.
///
/// ```
/// use countersign::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaims {
///     plan: String,
///     #[serde(default)] // came with schema 2; tokens of schema 1 still decode
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
    verified: Arc<Verified>,
    own: Arc<C>,
}

/// No claims but the registered ones.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct Registered {}

impl<C> Claims<C> {
    /// The issuer (`iss`); with the subject it is the caller's identity.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.verified.issuer()
    }

    /// The subject (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        self.verified.subject()
    }

    /// Who acts for the subject (`act.sub`), outermost.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.verified.actor()
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.verified.expires_at()
    }

    /// Whether the caller meets `requirement`: for rules that need what only the handler knows.
    ///
    /// Path parameters are not at hand here; guard the route for those.
    #[must_use]
    pub fn meets(&self, requirement: &Requirement, now: UnixTime) -> bool {
        matches!(self.verified.check(requirement, now, &|_| None), Decision::Allowed)
    }

    /// The whole proof: everything known about the token.
    #[must_use]
    pub fn verified(&self) -> &Arc<Verified> {
        &self.verified
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
        Claims { verified: Arc::clone(&self.verified), own: Arc::clone(&self.own) }
    }
}

/// Metadata only: claims are personal.
impl<C> fmt::Debug for Claims<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("verified", &self.verified).finish_non_exhaustive()
    }
}

fn decode<C>(verified: Arc<Verified>, parts: &Parts) -> Result<Claims<C>, Rejection>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    match verified.claims::<C>() {
        Ok(own) => Ok(Claims { verified, own }),
        Err(error) => {
            telemetry::claims_schema(std::any::type_name::<C>(), &error);
            Err(Rejection::refused(&Refusal::ClaimsSchema, parts))
        }
    }
}

impl<C, S> FromRequestParts<S> for Claims<C>
where
    C: DeserializeOwned + Send + Sync + 'static,
    S: Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match caller(parts)? {
            Some(verified) => decode(verified, parts),
            None => Err(Rejection::refused(&Refusal::NoToken, parts)),
        }
    }
}

/// `None` where the request is anonymous and may be; a bad token never gets this far.
impl<C, S> OptionalFromRequestParts<S> for Claims<C>
where
    C: DeserializeOwned + Send + Sync + 'static,
    S: Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        caller(parts)?.map(|verified| decode(verified, parts)).transpose()
    }
}
