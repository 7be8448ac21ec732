//! The caller's token, stored for outbound calls on the caller's behalf.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::UnixTime;
#[cfg(feature = "outbound")]
use countersign_core::integration::vouched_claims;
use countersign_core::secret::Secret;
use countersign_core::token::CredentialKind;
use countersign_core::verify::Verified;

/// The caller's own token, for an exchange on outbound calls.
///
/// A request has it only behind a layer that is built with
/// [`keep_caller_token`](super::AuthenticateLayerBuilder::keep_caller_token). Only an outbound client can read the token.
/// It is hidden from `Debug` and wiped when its last clone is dropped.
#[derive(Clone)]
pub struct CallerToken {
    token: Arc<Secret<String>>,
    expires_at: UnixTime,
    /// The caller, if the token itself does not have its claims.
    #[cfg_attr(not(feature = "outbound"), allow(dead_code, reason = "only outbound calls read it"))]
    verified: Option<Arc<Verified>>,
}

impl CallerToken {
    /// Creates a caller's token from an unverified one, for tools that exchange a token they were given.
    ///
    /// Services take the one from the request instead, which the layer verified.
    ///
    /// ```
    /// use countersign::authenticate::CallerToken;
    /// use countersign::clock::UnixTime;
    /// use countersign::secret::Secret;
    ///
    /// let token = CallerToken::unverified(&Secret::from("e30.e30.AA"), UnixTime::from_secs(1_700_000_000));
    /// assert!(!format!("{token:?}").contains("e30"));
    /// ```
    #[must_use]
    pub fn unverified(token: &Secret<String>, expires_at: UnixTime) -> Self {
        Self::new(token.expose().clone(), expires_at)
    }

    pub(crate) fn new(token: impl Into<String>, expires_at: UnixTime) -> Self {
        CallerToken { token: Arc::new(Secret::new(token.into())), expires_at, verified: None }
    }

    /// The token of this caller.
    pub(crate) fn of(verified: &Arc<Verified>, token: String) -> Self {
        let has_claims = verified.token_kind() == CredentialKind::Signed;
        let caller = Self::new(token, verified.expires_at());
        CallerToken { verified: (!has_claims).then(|| Arc::clone(verified)), ..caller }
    }

    pub(crate) fn expose(&self) -> &str {
        self.token.expose()
    }

    /// Some claims of the token, which was verified when the layer made this value; `None` if it has none of this form.
    #[cfg(feature = "outbound")]
    pub(crate) fn claims<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        if let Some(verified) = &self.verified {
            return vouched_claims(verified).and_then(|claims| serde_json::from_str(claims).ok());
        }
        let payload = self.expose().split('.').nth(1)?;
        let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// The expiry of the token (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl fmt::Debug for CallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerToken").field("expires_at", &self.expires_at.as_secs()).finish_non_exhaustive()
    }
}
