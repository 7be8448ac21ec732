//! The caller's own token, forwarded to a target that it was issued for.

use countersign_core::error::Fault;
use countersign_core::secret::Secret;
use serde::Deserialize;

use super::context::OutboundContext;
use super::token::OutboundToken;
use super::token_source::{TokenFuture, TokenRequest, TokenSource};
use crate::authenticate::CallerToken;
use crate::outbound::error::{OutboundError, OutboundErrorKind};
use crate::refresh::RefreshPolicy;

/// Forwards the caller's own token to a target that it was issued for too.
///
/// It never forwards a token whose `aud` does not name the target, which could use it against this service, nor one that is
/// bound to a key of the caller's. It refuses calls without a caller. Prefer an exchange ([`ClientCredentials`](crate::outbound::ClientCredentials)): the target then
/// gets a token of its own.
///
/// ```
/// use countersign::outbound::ForwardedToken;
///
/// let tokens = ForwardedToken::new("billing"); // the target's name in `aud`
/// # let _ = tokens;
/// ```
#[derive(Clone, Debug)]
pub struct ForwardedToken(String);

#[derive(Deserialize)]
struct Audience {
    aud: OneOrMore,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct Confirmation {
    cnf: Option<serde::de::IgnoredAny>,
}

impl ForwardedToken {
    /// Forwards tokens whose `aud` contains `audience`.
    #[must_use]
    pub fn new(audience: impl Into<String>) -> Self {
        ForwardedToken(audience.into())
    }

    /// Returns whether the token is bound to a key of the caller's, which only the caller has.
    fn is_bound(caller: &CallerToken) -> bool {
        caller.claims::<Confirmation>().is_some_and(|claims| claims.cnf.is_some())
    }

    fn is_for_target(&self, caller: &CallerToken) -> bool {
        caller.claims::<Audience>().is_some_and(|audience| match audience.aud {
            OneOrMore::One(one) => one == self.0,
            OneOrMore::More(more) => more.contains(&self.0),
        })
    }
}

impl TokenSource for ForwardedToken {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            let refused = |why| Err(OutboundError::new(OutboundErrorKind::ForwardingRefused, why));
            match &request.subject {
                None => refused("only callers' tokens are forwarded; call on_behalf_of"),
                Some(caller) if !self.is_for_target(caller) => {
                    refused("the caller's token is not for the target; exchange it instead")
                }
                Some(caller) if Self::is_bound(caller) => {
                    refused("the caller's token is bound to a key that only the caller has; exchange it instead")
                }
                Some(caller) => OutboundToken::from_bearer(&Secret::from(caller.expose()), None),
            }
        })
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        None
    }

    fn may_wait(&self) -> bool {
        false
    }

    fn attach(&self, _: &OutboundContext) -> Vec<Fault> {
        let is_empty = self.0.is_empty();
        is_empty.then(|| Fault::new("audience", "empty; give the target's name in `aud`")).into_iter().collect()
    }
}
