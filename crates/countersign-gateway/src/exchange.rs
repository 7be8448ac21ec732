//! The exchange of the client's token at a token service (RFC 8693).

use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::CallerToken;
use countersign::outbound::{AttachToken, AttachTokenLayer, OutboundBuilder};
use countersign_core::clock::{Clock as _, SystemClock};
use countersign_core::error::ConfigError;
use countersign_core::integration::{DigestCache, DigestKey, decode_base64url};
use countersign_core::verify::Verified;
use http::{HeaderMap, Method, header};
use serde::Deserialize;
use serde_json::Value;
use tower::Layer as _;

use crate::attach::{Captured, SwapRefusal, attached, call};
use crate::counts::SwapOutcome;
use crate::problem;
use crate::waits::Waits;

/// The longest lifetime of an internal token, in seconds.
const MAX_LIFETIME_SECONDS: u64 = 120;

/// The memory for the claims of exchanged tokens, of each swap, in bytes.
const CLAIMS_BYTES: usize = 4 * 1024 * 1024;

/// The mean memory of the claims of a token, which sizes the table, in bytes.
const MEAN_CLAIMS: usize = 256;

/// The exchange at a token service.
#[derive(Clone)]
pub(crate) struct Exchange {
    origin: String,
    audience: String,
    /// False if no token of it is bound to a key, so that a bound credential need not be exchanged to be refused.
    pub(crate) may_bind: bool,
    /// The client that stands for the actor.
    pub(crate) client_as_actor: Option<String>,
    pub(crate) waits: Waits,
    #[cfg_attr(not(any(feature = "metrics", feature = "otel")), allow(dead_code, reason = "it has the numbers"))]
    layer: AttachTokenLayer,
    client: AttachToken<Captured>,
    /// The claims of the tokens that it gave, so that each is decoded once.
    claims: Arc<(DigestKey, DigestCache<Claims>)>,
}

impl Exchange {
    pub(crate) fn new(
        origin: &str,
        audience: &str,
        bindings: OutboundBuilder<AttachTokenLayer>,
    ) -> Result<Self, ConfigError> {
        let layer = bindings.build()?;
        Ok(Exchange {
            origin: origin.to_owned(),
            audience: audience.to_owned(),
            may_bind: true,
            client_as_actor: None,
            waits: Waits::default(),
            client: layer.layer(Captured),
            layer,
            claims: Arc::new((DigestKey::random(), DigestCache::new(CLAIMS_BYTES, MEAN_CLAIMS))),
        })
    }

    /// The headers of the new token for this caller, for a request with this method and path.
    pub(crate) async fn headers(
        &self,
        caller: &Verified,
        token: Option<&CallerToken>,
        method: &Method,
        path: &str,
    ) -> Result<(HeaderMap, SwapOutcome), SwapRefusal> {
        let token = token.ok_or(problem::NOT_EXCHANGEABLE)?;
        if caller.binding().is_some() && !self.may_bind {
            return Err(problem::BOUND_CREDENTIAL.into());
        }
        let mut request = call(&self.origin, method, path)?;
        request.extensions_mut().insert(token.clone());
        let exchanged = self.waits.within(caller, attached(&self.client, request)).await;
        let headers = exchanged.map_err(SwapRefusal::Outbound)?;
        let (scheme, token) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.split_once(' '))
            .ok_or(SwapRefusal::unsuitable("it is none"))?;
        if caller.binding().is_some() && scheme != "DPoP" {
            return Err(SwapRefusal::unsuitable("it is not bound to a key"));
        }
        let Some((claims, outcome)) = self.claims(token) else {
            return Err(SwapRefusal::unsuitable("it is not a JWT with sub, aud, iat and exp"));
        };
        match self.fault(&claims, caller) {
            Some(fault) => Err(SwapRefusal::unsuitable(fault)),
            None => Ok((headers, outcome)),
        }
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn stats(&self) -> countersign::outbound::TokenStats {
        self.layer.stats().into_iter().map(|(_, stats)| stats).next().unwrap_or_default()
    }

    /// Returns whether the token tells who acts.
    fn names_actor(&self, claims: &Claims) -> bool {
        let client = claims.client_id.as_ref().or(claims.azp.as_ref());
        claims.act.as_ref().is_some_and(|act| !act.sub.is_empty())
            || self.client_as_actor.as_ref().is_some_and(|actor| !actor.is_empty() && client == Some(actor))
    }

    /// The claims of a token, decoded once, and whether that was now.
    fn claims(&self, token: &str) -> Option<(Arc<Claims>, SwapOutcome)> {
        let (key, decoded) = &*self.claims;
        let (digest, elapsed) = (key.digest(token), SystemClock.elapsed());
        if let Some((claims, _)) = decoded.get(digest, elapsed) {
            return Some((claims, SwapOutcome::Cached));
        }
        let payload = decode_base64url(token.split('.').nth(1)?)?;
        let claims = Arc::new(serde_json::from_slice::<Claims>(&payload).ok()?);
        let ends_at = elapsed.saturating_add(Duration::from_secs(MAX_LIFETIME_SECONDS));
        decoded.insert(digest, Arc::clone(&claims), payload.len() + size_of::<Claims>(), ends_at);
        Some((claims, SwapOutcome::New))
    }

    /// The fault of a token for this caller. It comes from the token service, so its signature is for the next service to verify.
    fn fault(&self, claims: &Claims, caller: &Verified) -> Option<&'static str> {
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
            (!self.names_actor(claims), "it names no actor"),
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
    client_id: Option<String>,
    azp: Option<String>,
}

#[derive(Deserialize)]
struct Actor {
    sub: String,
}
