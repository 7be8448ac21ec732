//! Conditions on how and when the subject authenticated; refusals are step-up challenges (RFC 9470 §3).

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::condition::{Condition, Escaped};
use super::facts::{Facts, Unknown};
use super::found;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::{Denial, Fact};
use crate::redact::word;

/// The tolerance for logins (`auth_time`) in the future; later ones are ignored.
const LOGIN_AHEAD: Duration = Duration::from_secs(30);

/// The subject authenticated at most `age` ago (`auth_time`); otherwise a step-up challenge with `max_age`.
///
/// A time means the same at every issuer, so it needs no [`issued_by`](super::issued_by).
///
/// A client's own token (subject and client are equal) never meets it, nor the negation, because nobody logged in.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::authz::authenticated_within;
///
/// assert_eq!(authenticated_within(Duration::from_secs(900)).to_string(), "authenticated within 900 s");
/// ```
pub fn authenticated_within(age: Duration) -> Requirement {
    Requirement::from_condition(Login::Within(age))
}

/// The subject authenticated in one of these ways (`acr`); otherwise a step-up challenge names them.
///
/// If several issuers are trusted, the same value may mean something else at each: combine it with
/// [`issued_by`](super::issued_by). Without an issuer, it is then never met, and neither is its negation.
///
/// ```
/// assert_eq!(countersign_core::authz::acr(["gold", "silver"]).to_string(), "acr gold or silver");
/// ```
pub fn acr(values: impl IntoIterator<Item = impl Into<String>>) -> Requirement {
    Requirement::from_condition(Login::Acr(values.into_iter().map(Into::into).collect()))
}

/// The subject authenticated by this method, possibly among others (`amr`, RFC 8176): `mfa`, `hwk`, `pin`.
///
/// The step-up challenge cannot name a method; combine it with [`acr`] if the issuer has a value for it. If several issuers are
/// trusted, combine it with [`issued_by`](super::issued_by), as with [`acr`].
///
/// ```
/// use countersign_core::authz::{acr, amr};
///
/// assert_eq!(acr(["gold"]).and(amr("hwk")).to_string(), "acr gold and authenticated by hwk");
/// ```
pub fn amr(method: impl Into<String>) -> Requirement {
    Requirement::from_condition(Login::Amr(method.into()))
}

enum Login {
    Within(Duration),
    Acr(Vec<String>),
    Amr(String),
}

impl Condition for Login {
    fn kind(&self) -> &'static str {
        match self {
            Login::Within(_) => "authenticated_within",
            Login::Acr(_) => "acr",
            Login::Amr(_) => "amr",
        }
    }

    fn argument(&self) -> Value {
        match self {
            Login::Within(age) if age.subsec_nanos() == 0 => json!({ "seconds": age.as_secs() }),
            Login::Within(age) => json!({ "seconds": age.as_secs(), "nanoseconds": age.subsec_nanos() }),
            Login::Acr(values) => json!(values),
            Login::Amr(method) => method.as_str().into(),
        }
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        match self {
            Login::Within(age) => {
                // Whether it is a client's own token is unknown if either name is elsewhere.
                if facts.subject.is_empty() || facts.is_elsewhere("sub") || facts.grants.unknown.contains(Fact::Client)
                {
                    return unknown(facts, "auth_time", step_up(Some(*age), &[]));
                }
                // A client's own token proves no login, whatever time it carries (GHSA-hp74-gm6m-2qm5).
                // So it is if the client acts for itself. Nobody logged in, so the negation is not met either.
                if facts.is_clients_own {
                    return Verdict::Unknown(step_up(Some(*age), &[]), Unknown::NotInToken);
                }
                let now = facts.context.now();
                let known = facts.grants.authenticated_at.filter(|at| *at <= now.saturating_add(LOGIN_AHEAD));
                match known.filter(|_| !facts.grants.unknown.contains(Fact::LoginTime)) {
                    Some(at) => Verdict::met_if(now <= at.saturating_add(*age), || step_up(Some(*age), &[])),
                    None => unknown(facts, "auth_time", step_up(Some(*age), &[])),
                }
            }
            // No login would help, and the negation of nothing is nothing.
            Login::Acr(values) if values.iter().all(String::is_empty) => {
                Verdict::Unknown(Denial::Forbidden, Unknown::NotInToken)
            }
            Login::Acr(values) => match facts.acr.filter(|acr| !acr.is_empty() && !facts.is_elsewhere("acr")) {
                Some(acr) => of_issuer(facts, values.iter().any(|value| value == acr), || step_up(None, values)),
                None => unknown(facts, "acr", step_up(None, values)),
            },
            Login::Amr(method) if method.is_empty() => Verdict::Unknown(step_up(None, &[]), Unknown::NotInToken),
            Login::Amr(_) if facts.grants.unknown.contains(Fact::Methods) => unknown(facts, "amr", step_up(None, &[])),
            Login::Amr(method) => of_issuer(facts, facts.grants.methods.contains(method), || step_up(None, &[])),
        }
    }

    fn found(&self, facts: &Facts<'_>) -> Vec<String> {
        match self {
            Login::Within(_) if facts.is_clients_own => {
                vec!["the token is a client's own, and nobody logged in".to_owned()]
            }
            Login::Within(_) => {
                let ago = |at| facts.context.now().as_secs().saturating_sub(at);
                let at = facts.grants.authenticated_at.map(crate::clock::UnixTime::as_secs);
                at.map(|at| format!("the caller authenticated {} s ago", ago(at))).into_iter().collect()
            }
            Login::Acr(values) => {
                let acr = facts.acr.filter(|acr| !acr.is_empty());
                let near_miss =
                    acr.and_then(|acr| values.iter().find_map(|value| found::near_miss(value, [acr].into_iter())));
                let has = acr.map(|acr| format!("the token has acr {}", word(acr)));
                has.into_iter().chain(near_miss).collect()
            }
            Login::Amr(method) => {
                let methods = &facts.grants.methods;
                let near_miss = found::near_miss(method, methods.iter());
                [found::list("methods", methods)].into_iter().chain(near_miss).collect()
            }
        }
    }

    fn login(&self) -> Option<Denial> {
        match self {
            Login::Within(age) => Some(step_up(Some(*age), &[])),
            Login::Acr(values) => Some(step_up(None, values)),
            Login::Amr(_) => None,
        }
    }
}

/// The verdict on a name of the login, which counts only together with its issuer. No login at another issuer would help.
fn of_issuer(facts: &Facts<'_>, is_met: bool, denial: impl FnOnce() -> Denial) -> Verdict {
    match facts.is_named_issuer() {
        Some(true) => Verdict::met_if(is_met, denial),
        Some(false) => Verdict::met_if(false, || Denial::Forbidden),
        None => Verdict::Unknown(Denial::Forbidden, Unknown::SeveralIssuers),
    }
}

/// The verdict if the token does not tell how or when the subject authenticated.
fn unknown(facts: &Facts<'_>, claim: &str, denial: Denial) -> Verdict {
    let is_elsewhere = facts.is_elsewhere(claim);
    Verdict::Unknown(denial, if is_elsewhere { Unknown::Distributed } else { Unknown::NotInToken })
}

fn step_up(max_age: Option<Duration>, acr_values: &[String]) -> Denial {
    let acr_values = acr_values.iter().filter(|value| !value.is_empty()).cloned().collect();
    Denial::StepUp { max_age, acr_values }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Within(age) => write!(f, "authenticated within {} s", age.as_secs()),
            Login::Acr(values) => write!(f, "acr {}", Escaped(&values.join(" or "))),
            Login::Amr(method) => write!(f, "authenticated by {}", Escaped(method)),
        }
    }
}
