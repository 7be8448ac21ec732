//! A token that never changes.

use countersign_core::error::Fault;
use countersign_core::secret::Secret;

use super::context::OutboundContext;
use super::token::OutboundToken;
use super::token_source::{TokenFuture, TokenRequest, TokenSource, refuse_subject};
use crate::refresh::RefreshPolicy;

/// A token that never changes, for development and for services that issue long-lived tokens by hand.
///
/// ```
/// use countersign::outbound::StaticToken;
/// use countersign::secret::Secret;
///
/// let token = StaticToken::new(Secret::from("hidden-value"));
/// assert!(!format!("{token:?}").contains("hidden-value"));
/// ```
#[derive(Clone, Debug)]
pub struct StaticToken(Secret<String>);

impl StaticToken {
    /// A source of this token.
    #[must_use]
    pub fn new(token: Secret<String>) -> Self {
        StaticToken(token)
    }
}

impl TokenSource for StaticToken {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            refuse_subject(request)?;
            OutboundToken::from_bearer(&self.0, None)
        })
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        None
    }

    fn attach(&self, _: &OutboundContext) -> Vec<Fault> {
        let is_unusable = OutboundToken::from_bearer(&self.0, None).is_err();
        is_unusable
            .then(|| Fault::new("token", "empty, over 16 KiB, or not printable ASCII without spaces"))
            .into_iter()
            .collect()
    }
}
