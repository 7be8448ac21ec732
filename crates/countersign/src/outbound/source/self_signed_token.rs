//! Tokens that a service signs for itself, where no token service stands between.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::Fault;
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use uuid::Uuid;

use super::{OutboundToken, TokenFuture, TokenRequest, TokenSource, refuse_subject};
use crate::outbound::error::OutboundError;

/// How long a token lasts unless told otherwise.
const DEFAULT_LIFE: Duration = Duration::from_secs(300);

/// The longest life that may be chosen: these tokens cannot be revoked but by withdrawing the key.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// Access tokens (RFC 9068) signed with the service's own key, for targets that trust it as an issuer.
///
/// The target needs `issuer` in its policy and the key's public half ([`Signer::public_jwk`]).
///
/// ```
/// use countersign::key::Algorithm;
/// use countersign::mint::Signer;
/// use countersign::outbound::SelfSignedToken;
///
/// let signer = Signer::generate(Algorithm::ES256).unwrap();
/// let tokens = SelfSignedToken::new("https://orders.internal", signer).subject("orders").audience("billing");
/// # let _ = tokens;
/// ```
#[derive(Clone)]
pub struct SelfSignedToken {
    issuer: String,
    signer: Arc<Signer>,
    subject: String,
    audience: String,
    scopes: Vec<String>,
    life: Duration,
    clock: Arc<dyn Clock>,
}

impl SelfSignedToken {
    /// Signs as `issuer`.
    #[must_use]
    pub fn new(issuer: &str, signer: impl Into<Arc<Signer>>) -> Self {
        SelfSignedToken {
            issuer: issuer.to_owned(),
            signer: signer.into(),
            subject: String::new(),
            audience: String::new(),
            scopes: Vec::new(),
            life: DEFAULT_LIFE,
            clock: Arc::new(SystemClock),
        }
    }

    /// The service that calls (`sub` and `client_id`).
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        SelfSignedToken { subject: subject.to_owned(), ..self }
    }

    /// The one service that the tokens are for (`aud`).
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        SelfSignedToken { audience: audience.to_owned(), ..self }
    }

    /// Allows this scope too.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.extend(scope.split_ascii_whitespace().map(str::to_owned));
        self
    }

    /// How long each token lasts. Default 5 min, at most 1 h.
    #[must_use]
    pub fn lifetime(self, life: Duration) -> Self {
        SelfSignedToken { life, ..self }
    }

    /// Dates the tokens by this clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        SelfSignedToken { clock, ..self }
    }

    fn sign(&self) -> Result<OutboundToken, OutboundError> {
        let now = self.clock.now();
        let mut draft = Draft::access_token()
            .issuer(self.issuer.as_str())
            .subject(self.subject.as_str())
            .client_id(self.subject.as_str())
            .audience(self.audience.as_str())
            .issued_at(now)
            .expires_at(now.saturating_add(self.life))
            .token_id(Uuid::now_v7().to_string());
        if !self.scopes.is_empty() {
            draft = draft.scope(self.scopes.join(" "));
        }
        let token = draft.sign(&self.signer).map_err(|_| OutboundError::refused("the token could not be signed"))?;
        OutboundToken::from_bearer(&Secret::new(token), Some(self.life))
    }
}

impl TokenSource for SelfSignedToken {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            refuse_subject(request)?;
            self.sign()
        })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (value, field) in [(&self.issuer, "issuer"), (&self.subject, "subject"), (&self.audience, "audience")] {
            if value.is_empty() {
                faults.push(Fault::new(field, "empty; a token names who signs it, who calls and whom it is for"));
            }
        }
        if self.life < Duration::from_secs(1) || self.life > LONGEST_LIFE {
            faults.push(Fault::new("lifetime", "not between 1 s and 1 h"));
        }
        faults
    }
}

impl fmt::Debug for SelfSignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSignedToken")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("key_id", &self.signer.key_id())
            .finish_non_exhaustive()
    }
}
