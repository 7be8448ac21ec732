//! The facts of token and request that a requirement is evaluated against.

use std::fmt;

use crate::authz::Grants;
use crate::claims::typed::TokenClaims;
use crate::clock::{Clock, UnixTime};

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
    pub(super) on_shadow: &'f dyn Fn(&dyn fmt::Display),
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
        RequestContext { time: Time::Fixed(now), request: &NoRequest, on_shadow: &|_| {} }
    }

    /// A context that reads `clock` only if a requirement needs the time, without a request.
    #[must_use]
    pub fn from_clock(clock: &'f dyn Clock) -> Self {
        RequestContext { time: Time::Clock(clock), request: &NoRequest, on_shadow: &|_| {} }
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

    /// Calls `listener` for each part in shadow mode that is not met.
    #[must_use]
    pub fn on_shadow(self, listener: &'f dyn Fn(&dyn fmt::Display)) -> Self {
        RequestContext { on_shadow: listener, ..self }
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
