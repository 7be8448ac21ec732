//! One token, given once.

use countersign_core::error::Fault;
use countersign_core::secret::Secret;

use super::{OutboundToken, TokenFuture, TokenRequest, TokenSource, refuse_subject};

/// A token that never changes: for development and for services that issue long-lived ones by hand.
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
    /// Always this token.
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

    fn is_cached(&self) -> bool {
        false
    }

    fn faults(&self) -> Vec<Fault> {
        let bad = OutboundToken::from_bearer(&self.0, None).is_err();
        bad.then(|| Fault::new("token", "empty, over 16 KiB, or not printable ASCII without spaces"))
            .into_iter()
            .collect()
    }
}
