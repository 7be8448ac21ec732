//! Tokens that a service signs with its own key, without a token service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use serde_json::json;
use uuid::Uuid;

use super::context::OutboundContext;
use super::dpop_key::DpopKey;
use super::token::OutboundToken;
use super::token_source::{TokenFuture, TokenRequest, TokenSource, refuse_subject};
use crate::outbound::error::OutboundError;
use crate::refresh::RefreshPolicy;

/// The lifetime of a token if none is set.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// The longest lifetime that can be set. Only withdrawing the key revokes these tokens.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// Access tokens (RFC 9068) signed with the service's own key, for targets that trust it as an issuer.
///
/// The target needs `issuer` in its policy and the key's public half ([`Signer::public_jwk`]).
///
/// ```
/// use countersign::key::Algorithm;
/// use countersign::mint::Signer;
/// use countersign::outbound::SelfSignedToken;
///
/// let signer = Signer::generate(Algorithm::ES256).unwrap(); // in production: Signer::from_pkcs8_pem
/// let tokens = SelfSignedToken::new("https://orders.internal", signer).subject("orders").audience("billing");
/// # let _ = tokens;
/// ```
#[derive(Clone)]
pub struct SelfSignedToken {
    issuer: String,
    signer: Arc<Signer>,
    subject: String,
    audiences: Vec<String>,
    scopes: Vec<String>,
    key: Option<DpopKey>,
    lifetime: Duration,
    refresh_policy: RefreshPolicy,
    clock: SourceClock,
}

impl SelfSignedToken {
    /// Tokens of `issuer`, signed with this key.
    #[must_use]
    pub fn new(issuer: impl Into<String>, signer: impl Into<Arc<Signer>>) -> Self {
        SelfSignedToken {
            issuer: issuer.into(),
            signer: signer.into(),
            subject: String::new(),
            audiences: Vec::new(),
            scopes: Vec::new(),
            key: None,
            lifetime: DEFAULT_LIFETIME,
            refresh_policy: RefreshPolicy::for_tokens(),
            clock: SourceClock::default(),
        }
    }

    /// The calling service (`sub` and `client_id`).
    #[must_use]
    pub fn subject(self, subject: impl Into<String>) -> Self {
        SelfSignedToken { subject: subject.into(), ..self }
    }

    /// The service that the tokens are for (`aud`), in place of those before.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        SelfSignedToken { audiences: vec![audience.into()], ..self }
    }

    /// Adds a service that the tokens are for. Each of them can send the tokens to the others; prefer one source for each.
    #[must_use]
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Adds a scope, or several, separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.extend(scope.into().split_ascii_whitespace().map(str::to_owned));
        self
    }

    /// Binds the tokens to this key (DPoP, RFC 9449), as [`ClientCredentials::dpop`](super::ClientCredentials::dpop) does.
    #[must_use]
    pub fn dpop(self, key: DpopKey) -> Self {
        SelfSignedToken { key: Some(key), ..self }
    }

    /// The lifetime of each token. Default 5 min, at most 1 h.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        SelfSignedToken { lifetime, ..self }
    }

    /// The policy for caching and refreshing tokens. Default: [`RefreshPolicy::for_tokens`].
    #[must_use]
    pub fn refresh_policy(self, refresh_policy: RefreshPolicy) -> Self {
        SelfSignedToken { refresh_policy, ..self }
    }

    fn sign(&self, key: Option<Arc<Signer>>) -> Result<OutboundToken, OutboundError> {
        let now = self.clock.get().now();
        let expires_at = now.saturating_add(self.lifetime);
        let audience = match &self.audiences[..] {
            [one] => json!(one),
            several => json!(several),
        };
        let mut draft = Draft::access_token()
            .issuer(self.issuer.as_str())
            .subject(self.subject.as_str())
            .client_id(self.subject.as_str())
            .claim("aud", audience)
            .issued_at(now)
            .expires_at(expires_at)
            .token_id(Uuid::now_v7().to_string());
        if !self.scopes.is_empty() {
            draft = draft.scope(self.scopes.join(" "));
        }
        let not_signed = || OutboundError::refused("the token could not be signed");
        if let Some(key) = &key {
            let key = key.verifying_key().map_err(|_| not_signed())?;
            draft = draft.claim("cnf", json!({ "jkt": key.thumbprint() }));
        }
        let token = Secret::new(draft.sign(&self.signer).map_err(|_| not_signed())?);
        let token = match key {
            Some(key) => OutboundToken::from_dpop(&token, Some(self.lifetime), key),
            None => OutboundToken::from_bearer(&token, Some(self.lifetime)),
        };
        Ok(token?.with_times(now, expires_at))
    }
}

impl TokenSource for SelfSignedToken {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            refuse_subject(request)?;
            let key = match &self.key {
                Some(key) => Some(key.current().await?),
                None => None,
            };
            self.sign(key)
        })
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        Some(self.refresh_policy.clone())
    }

    fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        let mut faults = Vec::from_iter(self.clock.attach(context.clock()));
        if let Some(key) = &self.key {
            faults.extend(key.fault().into_iter().chain(context.redirects_fault()));
        }
        let has_no_audience = self.audiences.is_empty() || self.audiences.iter().any(String::is_empty);
        for (is_empty, field, problem) in [
            (self.issuer.is_empty(), "issuer", "empty; name the issuer that the target trusts"),
            (self.subject.is_empty(), "subject", "empty; name the service that calls"),
            (has_no_audience, "audience", "empty; name the service that the token is for"),
        ] {
            if is_empty {
                faults.push(Fault::new(field, problem));
            }
        }
        if self.lifetime < Duration::from_secs(1) || self.lifetime > MAX_LIFETIME {
            faults.push(Fault::new("lifetime", "not between 1 s and 1 h"));
        }
        faults
    }
}

impl fmt::Debug for SelfSignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSignedToken")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .field("key_id", &self.signer.key_id())
            .finish_non_exhaustive()
    }
}
