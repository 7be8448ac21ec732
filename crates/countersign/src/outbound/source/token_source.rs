//! The trait of all token sources.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::error::Fault;

use super::context::OutboundContext;
use super::exchange::TransactionForm;
use super::token::OutboundToken;
use crate::authenticate::CallerToken;
use crate::outbound::error::OutboundError;
use crate::refresh::RefreshPolicy;

/// The future of [`TokenSource::token`].
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<OutboundToken, OutboundError>> + Send + 'a>>;

/// The purpose of a token request.
///
/// ```
/// use countersign::outbound::TokenRequest;
///
/// assert!(TokenRequest::default().subject.is_none()); // the service's own token
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The caller on whose behalf the call is made; `None` for the service's own token.
    pub subject: Option<CallerToken>,
    /// The transaction that begins, if a transaction token is requested.
    pub(in crate::outbound) transaction: Option<TransactionForm>,
}

/// A source of tokens. It need not cache them: what it is bound to does.
///
/// ```
/// use countersign::outbound::{OutboundToken, TokenFuture, TokenRequest, TokenSource};
/// use countersign::secret::Secret;
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl TokenSource for Vault {
///     fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
///         Box::pin(async { OutboundToken::from_bearer(&Secret::from("read-from-the-vault"), None) })
///     }
/// }
/// ```
///
/// An `Arc` or a `Box` of a source is a source too, so that several origins can share one in an `Arc`. Each of them caches its own tokens.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a token source",
    label = "expected a token source",
    note = "use `ClientCredentials`, `SelfSignedToken`, `ForwardedToken`, `FileToken` or `StaticToken`, \
            or implement `TokenSource`"
)]
pub trait TokenSource: Debug + Send + Sync + 'static {
    /// Gets a token. A source that exchanges no tokens must refuse a request with a subject.
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a>;

    /// The policy for caching and refresh. `None` asks the source on every call, for cheap sources.
    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        Some(RefreshPolicy::for_tokens())
    }

    /// Returns whether a request on behalf of a caller may wait, for example for an exchange at a token service. The default.
    ///
    /// Such requests count in the shares of callers while they are in progress, also if the source has no cache: one caller
    /// cannot occupy the token service. A source that answers at once returns false.
    fn may_wait(&self) -> bool {
        true
    }

    /// Attaches the source to what it is bound to, and returns the faults of its settings.
    ///
    /// Called when an [`OutboundBuilder`](crate::outbound::OutboundBuilder) is built, once for each binding.
    fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        let _ = context;
        Vec::new()
    }
}

impl<S: TokenSource + ?Sized> TokenSource for Arc<S> {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        S::token(self, request)
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        S::refresh_policy(self)
    }

    fn may_wait(&self) -> bool {
        S::may_wait(self)
    }

    fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        S::attach(self, context)
    }
}

impl<S: TokenSource + ?Sized> TokenSource for Box<S> {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        S::token(self, request)
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        S::refresh_policy(self)
    }

    fn may_wait(&self) -> bool {
        S::may_wait(self)
    }

    fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        S::attach(self, context)
    }
}

/// Refuses a request with a subject, for sources that have one token for all callers.
pub(super) fn refuse_subject(request: &TokenRequest) -> Result<(), OutboundError> {
    match request.subject {
        None => Ok(()),
        Some(_) => Err(OutboundError::refused("this source cannot exchange a caller's token; use ClientCredentials")),
    }
}
