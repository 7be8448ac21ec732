//! Errors of outbound calls.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::challenge::StepUpChallenge;
use crate::client::ClientError;
use crate::fetch::{ConnectionFailure, FetchFailure, causes};

/// The error of a call to another service. It contains no token and no secret, and clones are cheap.
///
/// ```
/// use countersign::outbound::OutboundError;
///
/// fn status(error: &OutboundError) -> u16 {
///     if error.is_transient() { 503 } else { 500 }
/// }
/// # let _ = status;
/// ```
#[derive(Clone)]
#[must_use]
pub struct OutboundError(Arc<Inner>);

/// The kind of an [`OutboundError`].
///
/// ```
/// use countersign::outbound::OutboundErrorKind;
///
/// assert_eq!(OutboundErrorKind::OriginNotBound.code(), "origin_not_bound");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutboundErrorKind {
    /// `token_unavailable`: no token is available now; try again later.
    TokenUnavailable,
    /// `token_refused`: the token service refused, or its response holds no usable token.
    TokenRefused,
    /// `subject_expired`: the caller's token has expired and cannot be exchanged.
    SubjectExpired,
    /// `origin_not_bound`: no source is bound to the request's origin; nothing was sent.
    OriginNotBound,
    /// `authorization_already_set`: the request carries its own `Authorization`; nothing was sent.
    AuthorizationAlreadySet,
    /// `step_up_required`: the service requires the user to authenticate again (RFC 9470).
    StepUpRequired,
    /// `token_not_bound`: the token service issued a token that is not bound to the key (RFC 9449); it is not used.
    TokenNotBound,
    /// `proof_not_signed`: the key cannot sign a proof for this address; nothing was sent.
    ProofNotSigned,
    /// `redirects_followed`: a token that is bound to a key, or a transaction token, needs a client that follows no redirects.
    RedirectsFollowed,
    /// `forwarding_refused`: the caller's token is not for the target, or the call has no caller; nothing was sent.
    ForwardingRefused,
    /// `no_caller`: a call on behalf of the current caller, in a task without one.
    NoCaller,
    /// `no_transaction`: the origin gets the transaction of each call, and the call states none; nothing was sent.
    NoTransaction,
    /// `transaction_expired`: the transaction token has expired; nothing was sent.
    TransactionExpired,
    /// `call_failed`: the call itself failed.
    CallFailed,
}

/// The problem of a client that may follow redirects, and its fix.
pub(super) const REDIRECTS_PROBLEM: &str = "a redirect takes a proof or a transaction token along; build the client with \
     redirect::Policy::none(), and call client_follows_no_redirects";

struct Inner {
    kind: OutboundErrorKind,
    detail: Cow<'static, str>,
    oauth_error: Option<String>,
    retry_after: Option<Duration>,
    is_transient: bool,
    step_up: Option<StepUpChallenge>,
    /// The call was made for the caller, with a token of the caller's.
    #[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "only answers of handlers read it"))]
    is_for_caller: bool,
    /// The error is in the log, so that the answer to the request does not repeat it there.
    is_logged: AtomicBool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl OutboundError {
    /// A token that is unavailable for now, for token sources of your own.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Option<Duration>) -> Self {
        let inner = Inner::new(OutboundErrorKind::TokenUnavailable, detail.into());
        OutboundError(Arc::new(Inner { retry_after, is_transient: true, ..inner }))
    }

    /// A token that a retry will not get, for token sources of your own.
    pub fn refused(detail: impl Into<Cow<'static, str>>) -> Self {
        OutboundError::new(OutboundErrorKind::TokenRefused, detail)
    }

    pub(super) fn new(kind: OutboundErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        OutboundError(Arc::new(Inner::new(kind, detail.into())))
    }

    /// A client that may take a proof or a transaction token along to another address.
    pub(super) fn redirects() -> Self {
        OutboundError::new(OutboundErrorKind::RedirectsFollowed, REDIRECTS_PROBLEM)
    }

    /// `error` must be safe to print.
    pub(super) fn oauth(error: String) -> Self {
        let detail = format!("the token service refused ({error})");
        let inner = Inner::new(OutboundErrorKind::TokenRefused, detail.into());
        OutboundError(Arc::new(Inner { oauth_error: Some(error), ..inner }))
    }

    /// Adds to the description of a new error. One that others have too stays as it is.
    pub(super) fn with_context(self, context: impl fmt::Display) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => {
                let detail = format!("{}{context}", inner.detail).into();
                OutboundError(Arc::new(Inner { detail, ..inner }))
            }
            Err(shared) => OutboundError(shared),
        }
    }

    /// Records whether the error is in the log.
    pub(super) fn set_logged(&self, is_logged: bool) {
        self.0.is_logged.fetch_or(is_logged, Ordering::Relaxed);
    }

    /// Returns whether the error is in the log.
    #[cfg(feature = "axum")]
    pub(super) fn is_logged(&self) -> bool {
        self.0.is_logged.load(Ordering::Relaxed)
    }

    pub(super) fn step_up(step_up: StepUpChallenge, is_for_caller: bool) -> Self {
        let detail = "the service requires a fresher or stronger authentication of the user";
        let inner = Inner::new(OutboundErrorKind::StepUpRequired, detail.into());
        OutboundError(Arc::new(Inner { step_up: Some(step_up), is_for_caller, ..inner }))
    }

    pub(super) fn call(error: impl Into<Box<dyn Error + Send + Sync>>, is_transient: bool) -> Self {
        let error: Box<dyn Error + Send + Sync> = error.into();
        let detail = match ConnectionFailure::of(&*error) {
            Some(failure) => format!("the call failed: {failure}").into(),
            None => "the call failed".into(),
        };
        let inner = Inner::new(OutboundErrorKind::CallFailed, detail);
        OutboundError(Arc::new(Inner { is_transient, source: Some(error), ..inner }))
    }

    /// The first error of this type in `error` or among its causes, such as in an error of a client that retries.
    ///
    /// ```
    /// use countersign::outbound::OutboundError;
    ///
    /// let error = std::io::Error::other(OutboundError::refused("no such client"));
    /// let found = OutboundError::from_error(&error).map(OutboundError::code);
    /// assert_eq!(found, Some("token_refused"));
    /// ```
    #[must_use]
    pub fn from_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        causes(error).find_map(<dyn Error>::downcast_ref)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> OutboundErrorKind {
        self.0.kind
    }

    /// The stable code; the table is at [`OutboundErrorKind`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.is_transient
    }

    /// The error code of the token service, such as `invalid_client` (RFC 6749 §5.2). Text that is not a code is replaced.
    #[must_use]
    pub fn oauth_error(&self) -> Option<&str> {
        self.0.oauth_error.as_deref()
    }

    /// The delay before the next attempt, if the token service states one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns whether the caller of this service can do what a step-up requires.
    #[cfg(feature = "axum")]
    pub(super) fn is_for_caller(&self) -> bool {
        self.0.is_for_caller
    }

    /// The required authentication, if the kind is [`OutboundErrorKind::StepUpRequired`].
    #[must_use]
    pub fn required_step_up(&self) -> Option<&StepUpChallenge> {
        self.0.step_up.as_ref()
    }
}

impl OutboundErrorKind {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            OutboundErrorKind::TokenUnavailable => "token_unavailable",
            OutboundErrorKind::TokenRefused => "token_refused",
            OutboundErrorKind::SubjectExpired => "subject_expired",
            OutboundErrorKind::OriginNotBound => "origin_not_bound",
            OutboundErrorKind::AuthorizationAlreadySet => "authorization_already_set",
            OutboundErrorKind::StepUpRequired => "step_up_required",
            OutboundErrorKind::TokenNotBound => "token_not_bound",
            OutboundErrorKind::ProofNotSigned => "proof_not_signed",
            OutboundErrorKind::RedirectsFollowed => "redirects_followed",
            OutboundErrorKind::ForwardingRefused => "forwarding_refused",
            OutboundErrorKind::NoCaller => "no_caller",
            OutboundErrorKind::NoTransaction => "no_transaction",
            OutboundErrorKind::TransactionExpired => "transaction_expired",
            OutboundErrorKind::CallFailed => "call_failed",
        }
    }
}

impl Inner {
    fn new(kind: OutboundErrorKind, detail: Cow<'static, str>) -> Self {
        let (oauth_error, retry_after, step_up, source) = (None, None, None, None);
        let is_logged = AtomicBool::new(false);
        Inner {
            kind,
            detail,
            oauth_error,
            retry_after,
            is_transient: false,
            step_up,
            is_for_caller: false,
            is_logged,
            source,
        }
    }
}

impl From<ClientError> for OutboundError {
    fn from(error: ClientError) -> Self {
        match error.is_transient() {
            true => OutboundError::unavailable(error.to_string(), None),
            false => OutboundError::refused(error.to_string()),
        }
    }
}

impl From<FetchFailure> for OutboundError {
    fn from(failure: FetchFailure) -> Self {
        let is_transient = match &failure {
            FetchFailure::Connection(_) | FetchFailure::Timeout | FetchFailure::Broken => true,
            FetchFailure::Status(status, _) => status.is_server_error() || status.as_u16() == 429,
            #[cfg(feature = "remote-keys")]
            FetchFailure::NoKeys => false,
            FetchFailure::NoClient
            | FetchFailure::NotPublic
            | FetchFailure::NoMetadata(_)
            | FetchFailure::TooLarge
            | FetchFailure::Redirect(..)
            | FetchFailure::Unusable(_)
            | FetchFailure::Content(_) => false,
        };
        let retry_after = match &failure {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        };
        match is_transient {
            true => OutboundError::unavailable(failure.to_string(), retry_after),
            false => OutboundError::refused(failure.to_string()),
        }
    }
}

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.0.detail)
    }
}

/// As `Display`, so that `fn main() -> Result<(), OutboundError>` prints a readable line.
impl fmt::Debug for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for OutboundError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
