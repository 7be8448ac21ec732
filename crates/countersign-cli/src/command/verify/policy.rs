//! The whole question: options, and what a policy file adds.

use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::key::Algorithm;
use countersign::policy::LEEWAY;
use serde::Deserialize;

use super::{Asked, algorithms};
use crate::exit::Failure;
use crate::input;

/// Everything that decides about a token.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeyPlace,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) types: TypeRule,
    pub(crate) leeway: Duration,
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

/// Which `typ` passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TypeRule {
    /// Absent, `JWT` or `at+jwt`.
    Compatible,
    /// RFC 9068.
    AccessToken,
    /// Whatever it is.
    Any,
    /// Exactly this media type.
    Only(String),
}

impl TypeRule {
    pub(crate) fn named(name: Option<&str>) -> Result<Self, Failure> {
        Ok(match name {
            None => TypeRule::Compatible,
            Some("any") => TypeRule::Any,
            Some("") => return Err(Failure::question("--typ is empty; leave it out, or name a type or any")),
            Some(name) => match bare_type(name).as_str() {
                "at+jwt" => TypeRule::AccessToken,
                other => TypeRule::Only(other.to_owned()),
            },
        })
    }
}

/// A media type without `application/`, in lower case (RFC 7515 §4.1.9).
pub(crate) fn bare_type(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_prefix("application/").unwrap_or(&lower).to_owned()
}

/// The policy file. Unknown names are refused: a misspelt rule must not be silently absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    issuer: Option<String>,
    #[serde(default)]
    audience: OneOrMore,
    #[serde(default)]
    algorithms: Vec<String>,
    typ: Option<String>,
    leeway_seconds: Option<u64>,
    jwks: Option<String>,
    pem: Option<String>,
    discover: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        OneOrMore::More(Vec::new())
    }
}

impl From<OneOrMore> for Vec<String> {
    fn from(value: OneOrMore) -> Self {
        match value {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        }
    }
}

impl Question {
    /// Options first, the policy file for what they leave open.
    pub(crate) fn of(asked: &Asked) -> Result<Self, Failure> {
        let file = match &asked.policy {
            Some(path) => toml::from_str::<PolicyFile>(&input::file(path)?)
                .map_err(|error| Failure::question(format!("{path}: {}", error.message())))?,
            None => PolicyFile::default(),
        };
        let issuer = asked.issuer.clone().or(file.issuer).filter(|issuer| !issuer.is_empty());
        let audiences = if asked.audience.is_empty() { file.audience.into() } else { asked.audience.clone() };
        let (issuer, audiences) = match (issuer, audiences) {
            (Some(issuer), audiences) if !audiences.is_empty() => (issuer, audiences),
            (Some(_), _) => return Err(Failure::question(ADD_AUDIENCE)),
            (None, audiences) if !audiences.is_empty() => return Err(Failure::question(ADD_ISSUER)),
            (None, _) => return Err(Failure::question(format!("{ADD_ISSUER}; {ADD_AUDIENCE}"))),
        };
        let keys_are_asked = asked.jwks.is_some() || asked.pem.is_some() || asked.discover;
        let (jwks, pem, discover) = match keys_are_asked {
            true => (asked.jwks.clone(), asked.pem.clone(), asked.discover),
            false => (file.jwks, file.pem, file.discover.unwrap_or_default()),
        };
        let names = if asked.alg.is_empty() { file.algorithms } else { asked.alg.clone() };
        let algorithms = algorithms(&names)?;
        Ok(Question {
            keys: place(jwks, pem, discover, &issuer)?,
            issuer,
            audiences,
            algorithms,
            types: TypeRule::named(asked.typ.as_deref().or(file.typ.as_deref()))?,
            leeway: asked.leeway.or(file.leeway_seconds).map_or(LEEWAY, Duration::from_secs),
            now: asked.now.map(UnixTime::from_secs),
        })
    }
}

const ADD_ISSUER: &str = "whose tokens? add --issuer ISS (what iss must be) or a --policy FILE with issuer";
const ADD_AUDIENCE: &str = "tokens for whom? add --audience AUD (what aud must name) or a --policy FILE with audience";

fn place(jwks: Option<String>, pem: Option<String>, discover: bool, issuer: &str) -> Result<KeyPlace, Failure> {
    let is_url = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    match (jwks, pem) {
        (Some(_), Some(_)) => Err(Failure::question("jwks and pem together; name one place for the keys")),
        (Some(url), None) if is_url(&url) => Ok(KeyPlace::Address(url)),
        (Some(path), None) => Ok(KeyPlace::Set { text: input::file(&path)?, origin: format!("the file {path}") }),
        (None, Some(path)) => Ok(KeyPlace::Pem { text: input::file(&path)?, origin: format!("the file {path}") }),
        (None, None) if discover || is_url(issuer) => Ok(KeyPlace::Discovery),
        (None, None) => Err(Failure::question(
            "where are the keys? add --jwks FILE|URL or --pem FILE (discovery needs an issuer that is a URL)",
        )),
    }
}
