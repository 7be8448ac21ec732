//! One token, given once.

use countersign_core::error::Fault;
use countersign_core::secret::Secret;

use super::{OutboundToken, TokenFuture, TokenRequest, TokenSource, refuse_subject};

/// A token that never changes: for development and for services that issue long-lived ones by hand.
///
/// ```
/// use countersign::outbound::FixedToken;
/// use countersign::secret::Secret;
///
/// let token = FixedToken::new(Secret::from("hidden-value"));
/// assert!(!format!("{token:?}").contains("hidden-value"));
/// ```
#[derive(Clone, Debug)]
pub struct FixedToken(Secret<String>);

impl FixedToken {
    /// Always this token.
    #[must_use]
    pub fn new(token: Secret<String>) -> Self {
        FixedToken(token)
    }
}

impl TokenSource for FixedToken {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            refuse_subject(request)?;
            OutboundToken::bearer(&self.0, None)
        })
    }

    fn is_cached(&self) -> bool {
        false
    }

    fn faults(&self) -> Vec<Fault> {
        let bad = OutboundToken::bearer(&self.0, None).is_err();
        bad.then(|| Fault::new("token", "empty, over 16 KiB, or not printable ASCII without spaces"))
            .into_iter()
            .collect()
    }
}
