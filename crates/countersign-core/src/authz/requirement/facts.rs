//! What a requirement is judged over: the token's side, and the request's.

use std::fmt;

use crate::authz::Grants;
use crate::claims::typed::TokenClaims;
use crate::clock::{Clock, UnixTime};

/// What a requirement is judged over.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Facts<'f> {
    /// The caller's authorities.
    pub grants: &'f Grants,
    /// The token's `sub`; empty where it has none.
    pub subject: &'f str,
    /// The client that asked for the token; empty where it is not told.
    pub client: &'f str,
    /// The token's `iss`.
    pub issuer: &'f str,
    /// Who acts for the subject: the outermost `act.sub`, never an inner one (RFC 8693 §4.1).
    pub actor: Option<&'f str>,
    /// How the subject authenticated (`acr`).
    pub acr: Option<&'f str>,
    /// The token's claims, decoded where a requirement asks for them.
    pub claims: TokenClaims<'f>,
    /// The time, and the request.
    pub context: RequestContext<'f>,
}

/// When and for which request a requirement is judged.
///
/// ```
/// use countersign_core::{clock::UnixTime, integration::RequestContext};
///
/// let context = RequestContext::new(UnixTime::from_secs(1_700_000_000)); // no request: nothing of it is known
/// # let _ = context;
/// ```
#[derive(Clone, Copy)]
pub struct RequestContext<'f> {
    time: Time<'f>,
    pub(super) request: &'f dyn RequestFacts,
    pub(super) on_shadow: &'f dyn Fn(&dyn fmt::Display),
}

#[derive(Clone, Copy)]
enum Time<'f> {
    At(UnixTime),
    By(&'f dyn Clock),
}

impl<'f> RequestContext<'f> {
    /// At this time, for no request.
    #[must_use]
    pub fn new(now: UnixTime) -> Self {
        RequestContext { time: Time::At(now), request: &NoRequest, on_shadow: &|_| {} }
    }

    /// By this clock, which is read only where a requirement asks for the time; for no request.
    #[must_use]
    pub fn from_clock(clock: &'f dyn Clock) -> Self {
        RequestContext { time: Time::By(clock), request: &NoRequest, on_shadow: &|_| {} }
    }

    pub(super) fn now(&self) -> UnixTime {
        match self.time {
            Time::At(now) => now,
            Time::By(clock) => clock.now(),
        }
    }

    /// For this request.
    #[must_use]
    pub fn request(self, request: &'f dyn RequestFacts) -> Self {
        RequestContext { request, ..self }
    }

    /// Calls `listener` with each part in shadow mode that is not met.
    #[must_use]
    pub fn on_shadow(self, listener: &'f dyn Fn(&dyn fmt::Display)) -> Self {
        RequestContext { on_shadow: listener, ..self }
    }
}

/// The facts of a request that a requirement may name.
pub trait RequestFacts {
    /// The parameter of this name that the router matched, decoded.
    fn path_parameter(&self, name: &str) -> Option<&str>;

    /// The header of this name; `None` where it is absent, there more than once, or no visible ASCII.
    fn header(&self, name: &str) -> Option<&str>;

    /// The host that the request itself names, with its port if it has one; `None` where it names none or several.
    fn host(&self) -> Option<&str>;
}

/// No request: none of its facts is known.
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
