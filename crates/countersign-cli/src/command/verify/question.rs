//! The whole question: a policy, from options or a file, and what the command alone can ask.

use countersign::clock::UnixTime;
use countersign::policy::{AudienceList, Policy, Profile, TrustedIssuerConfig};

use super::{Asked, algorithms};
use crate::exit::Failure;
use crate::input;

/// Everything that decides about a token.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Whom to trust, as a service would be told.
    pub(crate) policy: Policy,
    /// Keys named here, instead of those that the policy names.
    pub(crate) keys: Option<KeyPlace>,
    pub(crate) now: Option<UnixTime>,
}

/// Where the keys are.
#[derive(Clone, Debug)]
pub(crate) enum KeyPlace {
    /// A JWK Set or JWK, as text, and where it came from.
    Set { text: String, origin: String },
    /// A PEM public key, as text, and where it came from.
    Pem { text: String, origin: String },
    /// A JWK Set at this address.
    Address(String),
    /// Found by the issuer's discovery document.
    Discovery,
}

/// A media type without `application/`, in lower case (RFC 7515 §4.1.9).
fn bare_type(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_prefix("application/").unwrap_or(&lower).to_owned()
}

impl Question {
    /// Options first, the policy file for what they leave open.
    pub(crate) fn of(asked: &Asked) -> Result<Self, Failure> {
        let policy = match &asked.policy {
            Some(path) => {
                read_policy(&input::file(path)?).map_err(|problem| Failure::question(format!("{path}: {problem}")))?
            }
            None => Policy::default(),
        };
        let place = place(asked.jwks.as_deref(), asked.pem.as_deref(), asked.discover)?;
        Self::over(policy, asked, place)
    }

    /// As [`of`](Self::of), with policy and keys at hand.
    pub(crate) fn over(mut policy: Policy, asked: &Asked, keys: Option<KeyPlace>) -> Result<Self, Failure> {
        if policy.issuers.is_empty() {
            policy.issuers.push(from_options(asked)?);
        } else if let Some(name) = &asked.issuer {
            policy.issuers.retain(|issuer| issuer.issuer == *name);
            if policy.issuers.is_empty() {
                return Err(Failure::question(format!("the policy does not trust the issuer {name}")));
            }
        }
        if keys.is_some() && policy.issuers.len() > 1 {
            return Err(Failure::question("the policy has several issuers; whose keys are these? add --issuer ISS"));
        }
        let names = (!asked.alg.is_empty()).then(|| algorithms(&asked.alg)).transpose()?;
        for issuer in &mut policy.issuers {
            if !asked.audience.is_empty() {
                issuer.audience = AudienceList::AnyOf(asked.audience.clone());
            }
            issuer.algorithms = names.clone().or_else(|| issuer.algorithms.take());
            if let Some(name) = &asked.typ {
                of_type(issuer, name)?;
            }
            issuer.leeway_seconds = asked.leeway.or(issuer.leeway_seconds);
        }
        let is_url = |issuer: &TrustedIssuerConfig| is_url(&issuer.issuer);
        if asked.policy.is_none() && keys.is_none() && !policy.issuers.iter().all(is_url) {
            return Err(Failure::question(ADD_KEYS));
        }
        Ok(Question { policy, keys, now: asked.now.map(UnixTime::from_secs) })
    }
}

/// Reads TOML, or JSON where the text begins as an object does.
pub(crate) fn read_policy(text: &str) -> Result<Policy, Failure> {
    let is_json = text.trim_start().starts_with('{');
    Ok(if is_json { Policy::from_json(text) } else { Policy::from_toml(text) }?)
}

const ADD_ISSUER: &str = "whose tokens? add --issuer ISS (what iss must be) or a --policy FILE";
const ADD_AUDIENCE: &str = "tokens for whom? add --audience AUD (what aud must name) or a --policy FILE";
const ADD_KEYS: &str =
    "where are the keys? add --jwks FILE|URL or --pem FILE (discovery needs an issuer that is a URL)";

/// The one issuer that options name; every asymmetric algorithm unless some are named.
fn from_options(asked: &Asked) -> Result<TrustedIssuerConfig, Failure> {
    let issuer = asked.issuer.as_deref().filter(|issuer| !issuer.is_empty());
    let mut issuer = match (issuer, asked.audience.first()) {
        (Some(issuer), Some(audience)) => TrustedIssuerConfig::new(issuer, audience),
        (Some(_), None) => return Err(Failure::question(ADD_AUDIENCE)),
        (None, Some(_)) => return Err(Failure::question(ADD_ISSUER)),
        (None, None) => return Err(Failure::question(format!("{ADD_ISSUER}; {ADD_AUDIENCE}"))),
    };
    issuer.algorithms = Some(algorithms(&[])?);
    Ok(issuer)
}

/// Asks `issuer` for the type that `--typ` names.
fn of_type(issuer: &mut TrustedIssuerConfig, name: &str) -> Result<(), Failure> {
    (issuer.danger_any_type, issuer.token_types) = (name == "any", Vec::new());
    match name {
        "" => return Err(Failure::question("--typ is empty; leave it out, or name a type or any")),
        "any" => {}
        name if bare_type(name) == "at+jwt" => issuer.profile = Profile::AccessToken,
        name => {
            issuer.profile = Profile::Named;
            issuer.token_types.push(bare_type(name));
        }
    }
    Ok(())
}

fn place(jwks: Option<&str>, pem: Option<&str>, discover: bool) -> Result<Option<KeyPlace>, Failure> {
    Ok(match (jwks, pem) {
        (Some(url), _) if is_url(url) => Some(KeyPlace::Address(url.to_owned())),
        (Some(path), _) => Some(KeyPlace::Set { text: input::file(path)?, origin: format!("the file {path}") }),
        (None, Some(path)) => Some(KeyPlace::Pem { text: input::file(path)?, origin: format!("the file {path}") }),
        (None, None) => discover.then_some(KeyPlace::Discovery),
    })
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

impl KeyPlace {
    /// Where the keys came from, in words.
    pub(crate) fn origin(&self, issuer: &str) -> String {
        match self {
            KeyPlace::Set { origin, .. } | KeyPlace::Pem { origin, .. } => origin.clone(),
            KeyPlace::Address(url) => format!("the key set at {url}"),
            KeyPlace::Discovery => format!("discovery at {issuer}"),
        }
    }
}
