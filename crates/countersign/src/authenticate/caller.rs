//! What the layer leaves on a request for those behind it.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::secret::Secret;
use countersign_core::verify::Verified;
use http::Extensions;

/// The mark of the layer on a request: who calls, or that nobody had to say.
///
/// Only the layer can make one, and it removes any that was there before (S5.27). A request without it met no layer:
/// guards and extractors answer 500.
#[derive(Clone, Debug)]
pub struct Authenticated(pub(crate) Mark);

#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) verified: Option<Arc<Verified>>,
    pub(crate) shared: Arc<Shared>,
}

/// What guards and extractors need of the layer that marked the request.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) answers: crate::response::Answers,
    pub(crate) samples: crate::telemetry::Samples,
    pub(crate) subjects: Option<countersign_core::pseudonym::Pseudonyms>,
}

/// How a request stands before the guards and extractors behind the layer.
#[derive(Debug)]
pub enum AuthenticationStatus<'r> {
    /// Its token was verified.
    Verified(&'r Arc<Verified>),
    /// It had no token, on a public path or where anonymous callers are allowed.
    Anonymous,
    /// No layer saw it: a mistake in the service's set-up, never a pass.
    NoLayer,
}

impl Authenticated {
    /// How the request with these extensions stands.
    ///
    /// ```
    /// use countersign::authenticate::{Authenticated, AuthenticationStatus};
    ///
    /// let request = http::Request::new(());
    /// assert!(matches!(Authenticated::status(request.extensions()), AuthenticationStatus::NoLayer));
    /// ```
    #[must_use]
    pub fn status(extensions: &Extensions) -> AuthenticationStatus<'_> {
        match extensions.get::<Authenticated>() {
            None => AuthenticationStatus::NoLayer,
            Some(Authenticated(Mark { verified: None, .. })) => AuthenticationStatus::Anonymous,
            Some(Authenticated(Mark { verified: Some(verified), .. })) => AuthenticationStatus::Verified(verified),
        }
    }
}

/// The caller's own token, for exchanging it on outbound calls; there only where the layer was told to keep it.
///
/// It is hidden from `Debug`, cannot be read, only handed to an outbound client, and is wiped with its last clone.
#[derive(Clone)]
pub struct CallerToken {
    token: Arc<Secret<String>>,
    expires_at: UnixTime,
}

impl CallerToken {
    /// A token that nobody here verified, for tools that exchange what they were handed. Services take the one of the
    /// request, which the layer verified.
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
        Self::new(token.expose(), expires_at)
    }

    pub(crate) fn new(token: &str, expires_at: UnixTime) -> Self {
        CallerToken { token: Arc::new(Secret::from(token)), expires_at }
    }

    #[cfg_attr(not(feature = "outbound"), allow(dead_code, reason = "only outbound calls may read it"))]
    pub(crate) fn expose(&self) -> &str {
        self.token.expose()
    }

    /// When it ends.
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
