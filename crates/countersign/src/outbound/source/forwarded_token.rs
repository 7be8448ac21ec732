//! The caller's own token, sent on where an operator says so and the token itself allows it.

use countersign_core::error::Fault;
use countersign_core::secret::Secret;
use serde::Deserialize;

use super::{OutboundToken, TokenFuture, TokenRequest, TokenSource};
use crate::authenticate::CallerToken;
use crate::outbound::error::{OutboundError, OutboundErrorKind};

/// Sends the caller's own token to a target that it was made for too.
///
/// A token whose `aud` does not name the target is never sent there (S7.25): the target could use it against us. Calls
/// on nobody's behalf are refused. Prefer an exchange: the target then gets a token of its own.
///
/// ```
/// use countersign::outbound::ForwardedToken;
///
/// let tokens = ForwardedToken::new("billing"); // what the target calls itself in `aud`
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

impl ForwardedToken {
    /// To the target that tokens call `audience`.
    #[must_use]
    pub fn new(audience: &str) -> Self {
        ForwardedToken(audience.to_owned())
    }

    fn is_for_target(&self, caller: &CallerToken) -> bool {
        // The token was verified when the layer made this value of it; here its claims are only read once more.
        let audience = || -> Option<Audience> {
            let payload = caller.expose().split('.').nth(1)?;
            let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).ok()?;
            serde_json::from_slice(&payload).ok()
        };
        audience().is_some_and(|audience| match audience.aud {
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
                None => refused("only callers' tokens are passed through; call on_behalf_of"),
                Some(caller) if !self.is_for_target(caller) => {
                    refused("the caller's token is not for the target; exchange it instead")
                }
                Some(caller) => OutboundToken::from_bearer(&Secret::from(caller.expose()), None),
            }
        })
    }

    fn is_cached(&self) -> bool {
        false
    }

    fn faults(&self) -> Vec<Fault> {
        let bad = self.0.is_empty();
        bad.then(|| Fault::new("audience", "empty; name the target as tokens do")).into_iter().collect()
    }
}
