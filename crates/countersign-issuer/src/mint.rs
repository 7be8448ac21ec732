//! Making tokens: for a client that proved who it is, and for a subject that the application itself has logged in.

use std::fmt;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;

use crate::client::Client;
use crate::endpoint::OAuthError;
use crate::grant::Granted;
use crate::jti::token_id;
use crate::server::Issuer;

/// An access token as it was signed. It shows itself only on demand.
#[derive(Clone)]
#[must_use]
pub struct MintedToken {
    token: Secret<String>,
    token_id: String,
    key_id: String,
    issued_at: UnixTime,
    expires_at: UnixTime,
}

impl MintedToken {
    /// The token in compact form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.token.expose()
    }

    /// Its own name (`jti`), a UUIDv7; to be kept where it may have to be revoked.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// The key that signed it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// How long it lives from its making.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.expires_at.saturating_since(self.issued_at)
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken")
            .field("token_id", &self.token_id)
            .field("key_id", &self.key_id)
            .field("expires_at", &self.expires_at.as_secs())
            .finish_non_exhaustive()
    }
}

/// Why no token is made of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum MintError {
    /// This claim must be set first, as one string that is not empty.
    MissingClaim(&'static str),
    /// The audience is none of the issuer's.
    UnknownAudience,
    /// The end that the draft names has come.
    Ended,
    /// The token would be larger than 7 KiB.
    TooLarge,
    /// The key could not sign, or the system has no randomness to give.
    Signing,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MintError::MissingClaim(name) => {
                write!(f, "{name} is not set; every access token needs sub, aud and client_id")
            }
            MintError::UnknownAudience => f.write_str("aud is none of this issuer's audiences; name it at the builder"),
            MintError::Ended => f.write_str("the token would have ended before it began"),
            MintError::TooLarge => {
                f.write_str("the token would be larger than 7 KiB; refer to data instead of carrying it")
            }
            MintError::Signing => f.write_str("the key could not sign"),
        }
    }
}

impl std::error::Error for MintError {}

impl Issuer {
    /// Signs an access token for a subject that the application itself has logged in.
    ///
    /// The draft says who (`sub`), for which service (`aud`, one of the issuer's audiences) and through which client
    /// (`client_id`). The issuer sets `iss`, `iat`, `jti` and the type; `exp` is the draft's where that is sooner than the
    /// audience's lifetime. **Nothing here checks that the subject has logged in, or may have these claims**: that is the
    /// application's part.
    ///
    /// ```
    /// use countersign_core::mint::Draft;
    /// use countersign_issuer::{Audience, Issuer};
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").audience(Audience::new("orders")).build()?;
    /// let draft = Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope("orders:read");
    /// let token = issuer.mint(&draft)?;
    /// assert_eq!(token.as_str().matches('.').count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `MintError` where `sub`, `aud` or `client_id` is missing, or the audience is unknown.
    pub fn mint(&self, draft: &Draft) -> Result<MintedToken, MintError> {
        let claims = draft.claims();
        let text = |name: &'static str| match claims.get(name).and_then(|value| value.as_str()) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(MintError::MissingClaim(name)),
        };
        text("sub")?;
        text("client_id")?;
        let audience = text("aud")?;
        let not_after = claims.get("exp").and_then(serde_json::Value::as_u64).map(UnixTime::from_secs);
        let draft = claims.iter().fold(Draft::access_token(), |draft, (name, value)| draft.claim(name, value.clone()));
        self.sign(draft, audience, not_after)
    }

    /// Signs what a grant gave.
    pub(crate) fn issue(&self, client: &Client, granted: &Granted) -> Result<MintedToken, OAuthError> {
        let claims = granted.claims.iter();
        let mut draft = claims.fold(Draft::access_token(), |draft, (name, value)| draft.claim(name, value.clone()));
        draft = draft.subject(&granted.subject).audience(&granted.audience).client_id(client.id());
        if !granted.scope.is_empty() {
            draft = draft.scope(granted.scope.to_text());
        }
        self.sign(draft, &granted.audience, granted.not_after).map_err(|error| match error {
            MintError::Ended => OAuthError::invalid_request("a presented token is not accepted"),
            MintError::TooLarge => OAuthError::invalid_request("the token would be larger than 7 KiB"),
            _ => OAuthError::server_error(),
        })
    }

    fn sign(&self, draft: Draft, audience: &str, not_after: Option<UnixTime>) -> Result<MintedToken, MintError> {
        let audience = self.audience(audience).ok_or(MintError::UnknownAudience)?;
        let now = self.clock().now();
        let issued_at = UnixTime::from_secs(now.as_secs()); // whole seconds, rounded down
        let longest = issued_at.saturating_add(audience.lifetime.unwrap_or(self.token_lifetime()));
        let expires_at = UnixTime::from_secs(not_after.map_or(longest, |end| end.min(longest)).as_secs());
        if expires_at <= issued_at {
            return Err(MintError::Ended);
        }
        let token_id = token_id(now).ok_or(MintError::Signing)?;
        let signer = &self.published().signer;
        let draft = draft.issuer(self.name()).issued_at(issued_at).expires_at(expires_at).token_id(&token_id);
        let token = draft.sign(signer).map_err(|error| match error {
            countersign_core::mint::SignError::TooLarge(_) => MintError::TooLarge,
            _ => MintError::Signing,
        })?;
        let key_id = signer.key_id().to_owned();
        Ok(MintedToken { token: Secret::new(token), token_id, key_id, issued_at, expires_at })
    }
}
