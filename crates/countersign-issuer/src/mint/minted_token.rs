//! A signed token.

use std::fmt;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;

/// A signed access token. `Debug` hides the token.
///
/// ```
/// use countersign_core::mint::Draft;
/// use countersign_issuer::{Audience, Issuer};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000").add_audience(Audience::new("orders")).build()?;
/// let token = issuer.mint(&Draft::access_token().subject("ann").audience("orders").client_id("web-shop"))?;
/// assert_eq!(token.lifetime().as_secs(), 300);
/// issuer.revoke_token(token.token_id(), token.expires_at())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct MintedToken {
    pub(super) token: Secret<String>,
    pub(super) token_id: String,
    pub(super) key_id: String,
    pub(super) issued_at: UnixTime,
    pub(super) expires_at: UnixTime,
    pub(super) status_index: Option<u64>,
}

impl MintedToken {
    /// The token in compact form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.token.expose()
    }

    /// The `jti`, a UUIDv7. Store it if the token may have to be revoked.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// Its index in the status lists, counted through all lists; `None` if the issuer has none. Store it beside the `jti`, for
    /// [`Issuer::revoke_token_at`](crate::Issuer::revoke_token_at).
    #[must_use]
    pub fn status_index(&self) -> Option<u64> {
        self.status_index
    }

    /// The `kid` of the key that signed it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The expiry.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The lifetime, from issue to expiry.
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
