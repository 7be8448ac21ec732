//! The swap of the client's credential for a token that only the next service accepts.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign::authenticate::CallerToken;
use countersign::outbound::{AttachToken, AttachTokenLayer, OutboundError};
use countersign_core::error::ConfigError;
use countersign_core::integration::decode_base64url;
use countersign_core::policy::{OutboundConfig, Policy};
use countersign_core::verify::Verified;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use serde::Deserialize;
use serde_json::Value;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::problem::{self, Problem};

/// The longest lifetime of an internal token, in seconds.
const MAX_LIFETIME_SECONDS: u64 = 120;

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The headers of credentials, which never pass on a route with a swap.
pub(crate) const CREDENTIALS: [HeaderName; 2] = [header::AUTHORIZATION, DPOP];

/// A swap: for the routes below a prefix, the client's token is exchanged (RFC 8693) for one of the next service.
///
/// The new token is a JWT with exactly the audience of that service, the same subject, an actor, no more scopes than the client's
/// token, and at most 120 s, within the lifetime of the client's token. Any other answer of the token service refuses the request: 502
/// `unsuitable_token`. If the token service is not available, the request gets 503.
///
/// A token that is bound to a key is only swapped if `dpop` is set: the new one is bound to the gateway's own key, and each request
/// gets a proof for `origin` and the path, which the next service checks. An API key cannot be exchanged: 403.
#[derive(Clone)]
pub struct Swap {
    prefix: String,
    origin: String,
    audience: String,
    is_bound: bool,
    client: AttachToken<Captured>,
}

impl Swap {
    /// The swap for the routes whose path is `prefix` or begins with it and a slash. `token` names the token service, the gateway's client
    /// there and one audience, and the `origin` of the next service.
    ///
    /// # Errors
    /// `ConfigError` with every fault of the settings.
    pub fn new(prefix: impl Into<String>, token: &OutboundConfig, policy: &Policy) -> Result<Self, ConfigError> {
        let prefix = prefix.into();
        let fault = |field: &str, problem: &'static str| ConfigError::new(format!("swap {prefix}: {field}"), problem);
        if !prefix.starts_with('/') || (prefix.ends_with('/') && prefix.len() > 1) {
            return Err(fault("prefix", "not a path without a slash at its end; write one such as /orders"));
        }
        let names = token.audience.as_ref().map_or(&[][..], countersign_core::policy::AudienceList::names);
        let [audience] = names else {
            return Err(fault("audience", "not exactly one; name the service that the routes lead to"));
        };
        if token.token_file.is_some() {
            return Err(fault("token_file", "a file has no token of the caller; name a client that exchanges tokens"));
        }
        let mut bound = policy.clone();
        bound.outbound = vec![token.clone()];
        let layer = AttachTokenLayer::builder().config(&bound).build()?;
        Ok(Swap {
            origin: token.origin.clone(),
            audience: audience.clone(),
            is_bound: token.is_bound_to_key(),
            client: layer.layer(Captured),
            prefix,
        })
    }

    /// Returns whether a route with this path is one of it.
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.prefix == "/"
            || path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The headers of the new token, for a request with this method and path.
    pub(crate) async fn headers(
        &self,
        caller: &Verified,
        token: Option<CallerToken>,
        method: &Method,
        path: &str,
    ) -> Result<HeaderMap, SwapRefusal> {
        let token = token.ok_or(problem::NOT_EXCHANGEABLE)?;
        if caller.binding().is_some() && !self.is_bound {
            return Err(problem::BOUND_CREDENTIAL.into());
        }
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("{}{path}", self.origin).parse().map_err(|_| problem::AMBIGUOUS)?;
        request.extensions_mut().insert(token);
        let headers = self.client.clone().oneshot(request).await.map_err(SwapRefusal::Outbound)?.into_parts().0.headers;
        let (scheme, token) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.split_once(' '))
            .ok_or(problem::UNSUITABLE_TOKEN)?;
        let is_downgraded = caller.binding().is_some() && scheme != "DPoP";
        let fault = if is_downgraded { Some("it is not bound to a key") } else { self.fault(token, caller) };
        if let Some(fault) = fault {
            tracing::error!(target: "countersign::gateway", audience = %self.audience, fault, "the token service gave an unsuitable token");
            return Err(problem::UNSUITABLE_TOKEN.into());
        }
        Ok(headers)
    }

    /// The fault of a token for this caller. It comes from the token service, so its signature is for the next service to verify.
    fn fault(&self, token: &str, caller: &Verified) -> Option<&'static str> {
        let payload = token.split('.').nth(1).and_then(decode_base64url);
        let Some(claims) = payload.and_then(|payload| serde_json::from_slice::<Claims>(&payload).ok()) else {
            return Some("it is not a JWT with sub, aud, iat and exp");
        };
        let is_audience = match &claims.aud {
            Value::String(name) => *name == self.audience,
            Value::Array(names) => matches!(&names[..], [Value::String(name)] if *name == self.audience),
            _ => false,
        };
        let own = &caller.grants().scopes;
        let mut scopes = claims.scope.as_deref().unwrap_or_default().split_ascii_whitespace();
        [
            (!is_audience, "its audience is not exactly the next service"),
            (claims.exp.saturating_sub(claims.iat) > MAX_LIFETIME_SECONDS, "it lives longer than 120 s"),
            (claims.exp > caller.expires_at().as_secs(), "it outlives the client's token"),
            (claims.sub != caller.subject(), "its subject is another one"),
            (claims.act.is_none_or(|act| act.sub.is_empty()), "it names no actor"),
            (!scopes.all(|scope| own.contains(scope)), "it has a scope that the client's token does not have"),
        ]
        .into_iter()
        .find_map(|(is_wrong, what)| is_wrong.then_some(what))
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    iat: u64,
    exp: u64,
    scope: Option<String>,
    act: Option<Actor>,
}

#[derive(Deserialize)]
struct Actor {
    sub: String,
}

/// The reason for which a request gets no token.
pub(crate) enum SwapRefusal {
    Problem(Problem),
    Outbound(OutboundError),
}

impl From<Problem> for SwapRefusal {
    fn from(problem: Problem) -> Self {
        SwapRefusal::Problem(problem)
    }
}

/// In place of a client: returns the headers that were attached.
#[derive(Clone, Copy, Debug)]
struct Captured;

impl Service<Request<()>> for Captured {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut response = Response::new(Bytes::new());
        for name in CREDENTIALS {
            if let Some(value) = request.headers().get(&name) {
                let mut value: HeaderValue = value.clone();
                value.set_sensitive(true);
                response.headers_mut().insert(name, value);
            }
        }
        ready(Ok(response))
    }
}

impl fmt::Debug for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap").field("prefix", &self.prefix).field("audience", &self.audience).finish_non_exhaustive()
    }
}
