//! A token ready to send.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use http::HeaderValue;

use crate::outbound::error::OutboundError;

/// The longest token sent, in bytes. Most servers refuse longer headers.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A bearer token, or a token that is bound to a key, stored as a header value and hidden from `Debug`.
///
/// The example is at [`expose`](Self::expose).
#[derive(Clone)]
pub struct OutboundToken {
    header: HeaderValue,
    lifetime: Option<Duration>,
    scope: Option<String>,
    /// The times that this service wrote into the token, if it signed it.
    signed_between: Option<(UnixTime, UnixTime)>,
    /// The key that the token is bound to.
    signer: Option<Arc<Signer>>,
}

impl OutboundToken {
    /// A bearer token and its lifetime, counted from the request for it. `None` leaves it to the source's refresh policy.
    ///
    /// # Errors
    /// `token_refused` for a value that is empty, over 16 KiB, or not printable ASCII without spaces. Such a value could
    /// inject another header.
    pub fn from_bearer(value: &Secret<String>, lifetime: Option<Duration>) -> Result<Self, OutboundError> {
        Self::new("Bearer", value, lifetime)
    }

    /// A token that is bound to this key (RFC 9449), as [`from_bearer`](Self::from_bearer) otherwise. It is sent with a proof.
    ///
    /// ```
    /// use countersign::key::Algorithm;
    /// use countersign::mint::Signer;
    /// use countersign::outbound::OutboundToken;
    /// use countersign::secret::Secret;
    ///
    /// let signer = Signer::generate(Algorithm::ES256)?;
    /// let token = OutboundToken::from_dpop(&Secret::from("opaque"), None, signer)?;
    /// assert_eq!(token.expose(), "opaque");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_bearer`](Self::from_bearer).
    pub fn from_dpop(
        value: &Secret<String>,
        lifetime: Option<Duration>,
        signer: impl Into<Arc<Signer>>,
    ) -> Result<Self, OutboundError> {
        let token = Self::new("DPoP", value, lifetime)?;
        Ok(OutboundToken { signer: Some(signer.into()), ..token })
    }

    fn new(scheme: &str, value: &Secret<String>, lifetime: Option<Duration>) -> Result<Self, OutboundError> {
        let value = value.expose();
        if value.is_empty() || value.len() > MAX_TOKEN_BYTES || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OutboundError::refused("the token is empty, too long, or not printable ASCII"));
        }
        let text = Secret::new(format!("{scheme} {value}")); // wiped when dropped
        let mut header = HeaderValue::from_str(text.expose())
            .map_err(|_| OutboundError::refused("the token does not fit into a header"))?;
        header.set_sensitive(true);
        Ok(OutboundToken { header, lifetime, scope: None, signed_between: None, signer: None })
    }

    /// The same token with its granted scope.
    #[must_use]
    pub fn with_scope(self, scope: Option<String>) -> Self {
        OutboundToken { scope, ..self }
    }

    /// The same token, issued and expiring at these times of this service's wall clock.
    pub(super) fn with_times(self, issued_at: UnixTime, expires_at: UnixTime) -> Self {
        OutboundToken { signed_between: Some((issued_at, expires_at)), ..self }
    }

    /// Returns whether the wall clock was set since this service signed the token, so that its times are wrong now.
    ///
    /// Tokens of a token service carry its times, and are not concerned.
    pub(super) fn is_outdated(&self, clock: &dyn Clock) -> bool {
        self.signed_between.is_some_and(|(issued_at, expires_at)| {
            let now = clock.now();
            now < issued_at || expires_at <= now
        })
    }

    /// The lifetime, counted from the request for it, if known.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// The granted scope, which may be narrower than the requested one. `None` means all of the requested scope.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The token without its scheme. It is a secret: do not print or log it.
    ///
    /// ```
    /// use countersign::outbound::OutboundToken;
    /// use countersign::secret::Secret;
    ///
    /// let token = OutboundToken::from_bearer(&Secret::from("opaque"), None)?;
    /// assert_eq!(token.expose(), "opaque");
    /// assert!(!format!("{token:?}").contains("opaque"));
    /// # Ok::<(), countersign::outbound::OutboundError>(())
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        let text = self.header.to_str().unwrap_or_default(); // `new` accepts only printable ASCII
        text.split_once(' ').map(|(_, token)| token).unwrap_or_default()
    }

    /// The memory that it takes, without the value itself.
    pub(super) fn bytes(&self) -> usize {
        self.header.len() + self.scope.as_ref().map_or(0, String::len)
    }

    /// The key that the token is bound to, if it is bound to one.
    pub(in crate::outbound) fn signer(&self) -> Option<&Arc<Signer>> {
        self.signer.as_ref()
    }

    pub(in crate::outbound) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl fmt::Debug for OutboundToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundToken").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
