//! The chain of actors of a token.

use std::borrow::Cow;

use countersign_core::verify::Verified;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The claim `act` (RFC 8693 §4.1), decoded once per token.
#[derive(Deserialize)]
struct ActorClaim {
    #[serde(default)]
    act: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Actor<'t> {
    #[serde(default, borrow)]
    sub: Option<Cow<'t, str>>,
    #[serde(default, borrow)]
    iss: Option<Cow<'t, str>>,
    #[serde(default, borrow)]
    act: Option<&'t RawValue>,
}

/// The names of the actors of a verified token, outermost first, each with its issuer if the token names it. The issuer of the
/// token vouches for all of them.
///
/// The verifier reads at most eight, and refuses tokens with more.
pub(super) fn actors(verified: &Verified) -> Vec<(String, Option<String>)> {
    let mut chain = Vec::new();
    if verified.actor().is_none() {
        return chain;
    }
    let Ok(claim) = verified.claims::<ActorClaim>() else { return chain };
    let mut next = claim.act.as_deref();
    while let Some(json) = next {
        let Ok(Actor { sub, iss, act }) = serde_json::from_str(json.get()) else { break };
        chain.extend(sub.map(|sub| (sub.into_owned(), iss.map(Cow::into_owned))));
        next = act;
    }
    chain
}
