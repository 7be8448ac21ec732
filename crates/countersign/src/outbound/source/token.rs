//! A token to send.

use std::fmt;
use std::time::Duration;

use countersign_core::secret::Secret;
use http::HeaderValue;

use crate::outbound::error::OutboundError;

/// The longest token sent, in bytes; most servers refuse longer headers.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A bearer token, held only as the header it becomes; hidden from `Debug`.
#[derive(Clone)]
pub struct OutboundToken {
    header: HeaderValue,
    life: Option<Duration>,
    scope: Option<String>,
}

impl OutboundToken {
    /// A bearer token and how long it lasts from when it was asked for; `None` is taken as a minute.
    ///
    /// # Errors
    /// `token_refused` for a value that is empty, over 16 KiB, or not printable ASCII without spaces: it could end the
    /// header and begin another.
    pub fn from_bearer(value: &Secret<String>, life: Option<Duration>) -> Result<Self, OutboundError> {
        let value = value.expose();
        if value.is_empty() || value.len() > MAX_TOKEN_BYTES || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OutboundError::refused("the token is empty, too long, or has characters that no token has"));
        }
        let text = Secret::new(format!("Bearer {value}")); // wiped when dropped
        let mut header =
            HeaderValue::from_str(text.expose()).map_err(|_| OutboundError::refused("the token fits no header"))?;
        header.set_sensitive(true);
        Ok(OutboundToken { header, life, scope: None })
    }

    /// Notes the scope that was granted.
    #[must_use]
    pub fn with_scope(self, scope: Option<String>) -> Self {
        OutboundToken { scope, ..self }
    }

    /// How long it lasts from when it was asked for, where its source said.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.life
    }

    /// The scope that was granted, where it may be narrower than what was asked for; `None` is all of it.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The token without its scheme. Handle it as the secret that it is: what prints or logs it gives it away.
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
        let text = self.header.to_str().unwrap_or_default(); // `from_bearer` took printable ASCII alone
        text.strip_prefix("Bearer ").unwrap_or_default()
    }

    pub(in crate::outbound) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl fmt::Debug for OutboundToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundToken").field("life", &self.life).finish_non_exhaustive()
    }
}
