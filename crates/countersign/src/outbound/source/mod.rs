//! Where tokens come from.

mod assertion;
mod cached;
mod client_credentials;
mod credential;
mod exchange;
mod file_token;
mod forwarded_token;
mod response;
mod self_signed_token;
mod static_token;
mod token;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use countersign_core::error::Fault;

pub use assertion::Assertion;
pub(super) use cached::Cached;
pub use cached::TokenStats;
pub use client_credentials::ClientCredentials;
pub use file_token::FileToken;
pub use forwarded_token::ForwardedToken;
pub use self_signed_token::SelfSignedToken;
pub use static_token::StaticToken;
pub use token::OutboundToken;

use super::error::OutboundError;
use crate::authenticate::CallerToken;

/// The future of [`TokenSource::token`].
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<OutboundToken, OutboundError>> + Send + 'a>>;

/// What a token is wanted for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The caller on whose behalf; `None` for the service's own token.
    pub subject: Option<CallerToken>,
}

/// Gets tokens. It need not keep them: whoever binds it does.
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
pub trait TokenSource: Debug + Send + Sync + 'static {
    /// Gets a token. One that serves no callers' behalf must refuse a request with a subject.
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a>;

    /// Whether tokens are kept for their life. `false` asks for one at every call: for sources that cost little.
    fn is_cached(&self) -> bool {
        true
    }

    /// What is wrong with its set-up; asked once, when it is bound.
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }
}

/// For sources that have one token, whoever calls.
fn refuse_subject(request: &TokenRequest) -> Result<(), OutboundError> {
    match request.subject {
        None => Ok(()),
        Some(_) => Err(OutboundError::refused("this source cannot exchange a caller's token; use ClientCredentials")),
    }
}
