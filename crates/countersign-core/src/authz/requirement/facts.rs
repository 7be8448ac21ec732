//! The facts of token and request that a requirement is evaluated against.

use std::fmt;

use crate::authz::Grants;
use crate::claims::typed::TokenClaims;
use crate::clock::{Clock, UnixTime};
use crate::token::CredentialKind;

/// The facts that a requirement is evaluated against.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Facts<'f> {
    /// The caller's authorities.
    pub grants: &'f Grants,
    /// The token's `sub`; empty if absent.
    pub subject: &'f str,
    /// The client that requested the token; empty if the token does not name it.
    pub client: &'f str,
    /// The token's `iss`.
    pub issuer: &'f str,
    /// The party that acts for the subject: only the outermost `act.sub` (RFC 8693 §4.1).
    pub actor: Option<&'f str>,
    /// The issuer of the actor, if the token names it (`act.iss`).
    pub actor_issuer: Option<&'f str>,
    /// True if the verifier trusts several issuers, so that a name without its issuer is ambiguous.
    pub has_several_issuers: bool,
    /// True if the client got the token for itself.
    pub(crate) is_clients_own: bool,
    /// True if the token is bound to a key or certificate, which its sender has proven to possess.
    pub(crate) is_bound: bool,
    /// The kind of credential that the caller brought.
    pub(crate) token_kind: CredentialKind,
    /// True if the issuer's mapping reads a tenant, or states one.
    pub(crate) maps_tenant: bool,
    /// The issuer that the surrounding requirement demands, whose names are meant.
    pub(crate) issuer_in_force: Option<&'f str>,
    /// The claims that tell who calls: those of the configured issuers, and of this one if it was resolved.
    pub(crate) identity_claims: [&'f [Box<str>]; 2],
    /// The authentication context of the subject (`acr`).
    pub acr: Option<&'f str>,
    /// The token's claims, decoded only if a requirement reads them.
    pub claims: TokenClaims<'f>,
    /// The time, and the request.
    pub context: RequestContext<'f>,
}

/// The time and the request for which a requirement is evaluated.
///
/// ```
/// use countersign_core::{clock::UnixTime, integration::RequestContext};
///
/// let context = RequestContext::new(UnixTime::from_secs(1_700_000_000)); // without a request, none of its facts is known
/// # let _ = context;
/// ```
#[derive(Clone, Copy)]
pub struct RequestContext<'f> {
    time: Time<'f>,
    pub(super) request: &'f dyn RequestFacts,
    /// The facts of the transaction that the request belongs to.
    pub(super) transaction: Option<&'f Facts<'f>>,
    pub(super) on_shadow: &'f dyn Fn(&dyn fmt::Display),
    pub(super) on_unknown: &'f dyn Fn(&dyn fmt::Display, Unknown),
}

#[derive(Clone, Copy)]
enum Time<'f> {
    Fixed(UnixTime),
    Clock(&'f dyn Clock),
}

impl<'f> RequestContext<'f> {
    /// A context at a fixed time, without a request.
    #[must_use]
    pub fn new(now: UnixTime) -> Self {
        Self::at(Time::Fixed(now))
    }

    /// A context that reads `clock` only if a requirement needs the time, without a request.
    #[must_use]
    pub fn from_clock(clock: &'f dyn Clock) -> Self {
        Self::at(Time::Clock(clock))
    }

    fn at(time: Time<'f>) -> Self {
        let (request, transaction) = (&NoRequest, None);
        RequestContext { time, request, transaction, on_shadow: &|_| {}, on_unknown: &|_, _| {} }
    }

    pub(super) fn now(&self) -> UnixTime {
        match self.time {
            Time::Fixed(now) => now,
            Time::Clock(clock) => clock.now(),
        }
    }

    /// Sets the request.
    #[must_use]
    pub fn request(self, request: &'f dyn RequestFacts) -> Self {
        RequestContext { request, ..self }
    }

    /// Sets the facts of the transaction that the request belongs to.
    #[must_use]
    pub(crate) fn within(self, transaction: &'f Facts<'f>) -> Self {
        RequestContext { transaction: Some(transaction), ..self }
    }

    /// Calls `listener` for each part in shadow mode that is not met.
    #[must_use]
    pub fn on_shadow(self, listener: &'f dyn Fn(&dyn fmt::Display)) -> Self {
        RequestContext { on_shadow: listener, ..self }
    }

    /// Calls `listener` for each part that cannot be evaluated, and therefore refuses.
    #[must_use]
    pub fn on_unknown(self, listener: &'f dyn Fn(&dyn fmt::Display, Unknown)) -> Self {
        RequestContext { on_unknown: listener, ..self }
    }
}

/// The reason why a part of a requirement cannot be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// The token does not have the fact, or not in a form that the part understands.
    NotInToken,
    /// The mapping of the token's issuer reads no tenant.
    TenantNotMapped,
    /// The token declares claims that are elsewhere, and the part depends on them.
    Distributed,
    /// The part names a subject, client, actor or way of login without its issuer, and several issuers are trusted.
    SeveralIssuers,
    /// The request lacks what the part compares with, or has it twice.
    NotInRequest,
    /// The request has no transaction token.
    NoTransaction,
}

/// Says it in words, with what to do.
impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unknown::NotInToken => "the token does not have it, or not in a form that can be compared",
            Unknown::TenantNotMapped => {
                "the policy reads no tenant from tokens of this issuer; set authorities.tenant_at"
            }
            Unknown::Distributed => {
                "the token says that its claim is elsewhere; have the issuer write it into the token"
            }
            Unknown::SeveralIssuers => {
                "several issuers are trusted, and the name may mean something else at each; add .and(issued_by(...))"
            }
            Unknown::NotInRequest => "the request does not name it, or names it twice",
            Unknown::NoTransaction => "the request has no transaction token",
        })
    }
}

/// The facts of a request that a requirement can use.
pub trait RequestFacts {
    /// The decoded path parameter of this name.
    fn path_parameter(&self, name: &str) -> Option<&str>;

    /// The header of this name; `None` if it is absent, repeated, or not visible ASCII.
    fn header(&self, name: &str) -> Option<&str>;

    /// The host of the request, with its port if given; `None` if it names none or several.
    fn host(&self) -> Option<&str>;
}

/// The absence of a request: none of its facts is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRequest;

impl RequestFacts for NoRequest {
    fn path_parameter(&self, _: &str) -> Option<&str> {
        None
    }

    fn header(&self, _: &str) -> Option<&str> {
        None
    }

    fn host(&self) -> Option<&str> {
        None
    }
}

impl<'f> Facts<'f> {
    /// The facts of the transaction in place of the caller's, for the same request.
    pub(super) fn of_transaction(&self) -> Option<Facts<'f>> {
        let context = RequestContext { transaction: None, ..self.context };
        self.context.transaction.map(|facts| Facts { context, ..*facts })
    }
}

impl Facts<'_> {
    /// Returns whether the claim `name` is elsewhere.
    pub(super) fn is_elsewhere(&self, name: &str) -> bool {
        self.grants.distributed.contains(name)
    }

    /// Returns whether the token's issuer is the one whose names a requirement means; `None` if that is ambiguous.
    pub(super) fn is_named_issuer(&self) -> Option<bool> {
        match self.issuer_in_force {
            Some(issuer) => Some(issuer == self.issuer),
            None => (!self.has_several_issuers).then_some(true),
        }
    }
}

impl fmt::Debug for RequestContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("grants", self.grants).field("context", &self.context).finish_non_exhaustive()
    }
}
