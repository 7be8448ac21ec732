//! The verification settings: a policy from options or a file, and settings that only the command has.

use std::fmt;

use countersign::clock::UnixTime;
use countersign::integration::message_without_values;
use countersign::policy::{AudienceList, Policy, Profile, TrustedIssuerConfig};
use serde_json::Value;

use super::options::{VerifyOptions, algorithms};
use crate::exit::Failure;
use crate::{input, output};

/// All settings for verifying a token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// The policy, in the form that services use.
    pub(crate) policy: Policy,
    /// Keys that replace those of the policy.
    pub(crate) keys: Option<KeyLocation>,
    pub(crate) now: Option<UnixTime>,
}

/// The location of the keys.
#[derive(Clone, PartialEq)]
pub(crate) enum KeyLocation {
    /// A JWK Set or JWK, as text, and its origin.
    Set { text: String, origin: String },
    /// A PEM public key, as text, and its origin.
    Pem { text: String, origin: String },
    /// A JWK Set at this URL.
    Address(String),
    /// Found by the issuer's discovery document.
    Discovery,
}

/// Without the key itself, which may be a shared secret.
impl fmt::Debug for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyLocation::Set { origin, .. } => f.debug_struct("Set").field("origin", origin).finish_non_exhaustive(),
            KeyLocation::Pem { origin, .. } => f.debug_struct("Pem").field("origin", origin).finish_non_exhaustive(),
            KeyLocation::Address(url) => f.debug_tuple("Address").field(url).finish(),
            KeyLocation::Discovery => f.write_str("Discovery"),
        }
    }
}

/// A media type without `application/`, in lower case (RFC 7515 §4.1.9).
fn bare_type(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_prefix("application/").unwrap_or(&lower).to_owned()
}

impl Settings {
    /// Reads options, and the policy file for settings without an option.
    pub(crate) fn from_options(options: &VerifyOptions) -> Result<Self, Failure> {
        let policy = match &options.policy {
            Some(path) => read_policy(&input::file(path)?, options.at.as_deref())
                .map_err(|problem| Failure::usage(format!("{path}: {problem}")))?,
            None => Policy::default(),
        };
        Self::from_options_with(options, policy)
    }

    /// Like [`from_options`](Self::from_options), for a policy that is read already.
    pub(crate) fn from_options_with(options: &VerifyOptions, policy: Policy) -> Result<Self, Failure> {
        let keys = key_location(options.jwks.as_deref(), options.pem.as_deref(), options.discover)?;
        Self::with_policy(policy, options, keys)
    }

    /// Like [`from_options`](Self::from_options), for a given policy and keys.
    pub(crate) fn with_policy(
        mut policy: Policy,
        options: &VerifyOptions,
        keys: Option<KeyLocation>,
    ) -> Result<Self, Failure> {
        if policy.issuers.is_empty() {
            policy.issuers.push(issuer_from_options(options)?);
        } else if let Some(name) = &options.issuer {
            policy.issuers.retain(|issuer| issuer.issuer == *name);
            if policy.issuers.is_empty() {
                return Err(Failure::usage(format!("the policy does not trust the issuer {name}")));
            }
        }
        if keys.is_some() && policy.issuers.len() > 1 {
            return Err(Failure::usage(
                "the policy has several issuers; add --issuer ISS to say which one the keys belong to",
            ));
        }
        let names = (!options.alg.is_empty()).then(|| algorithms(&options.alg)).transpose()?;
        for issuer in &mut policy.issuers {
            if !options.audience.is_empty() {
                issuer.audience = AudienceList::AnyOf(options.audience.clone());
            }
            issuer.algorithms = names.clone().or_else(|| issuer.algorithms.take());
            if let Some(name) = &options.typ {
                apply_type(issuer, name)?;
            }
            issuer.connection = options.connection.config().or_else(|| issuer.connection.take());
            issuer.leeway_seconds = options.leeway.or(issuer.leeway_seconds);
        }
        let is_url = |issuer: &TrustedIssuerConfig| is_url(&issuer.issuer);
        if options.policy.is_none() && keys.is_none() && !policy.issuers.iter().all(is_url) {
            return Err(Failure::usage(ADD_KEYS));
        }
        Ok(Settings { policy, keys, now: options.now.map(UnixTime::from_secs) })
    }
}

/// Reads TOML, or JSON if the text begins with `{`; only the table `at` if it is named.
pub(crate) fn read_policy(text: &str, at: Option<&str>) -> Result<Policy, Failure> {
    let is_json = text.trim_start().starts_with('{');
    Ok(match at {
        Some(at) => Policy::from_json(&table(text, is_json, at)?.to_string())?,
        None if is_json => Policy::from_json(text)?,
        None => Policy::from_toml(text)?,
    })
}

/// The table `at` of a configuration file; its names are separated by dots.
fn table(text: &str, is_json: bool, at: &str) -> Result<Value, Failure> {
    // Other tables of the file may hold secrets.
    let unreadable = |message: &str| Failure::usage(format!("not readable: {}", message_without_values(message)));
    let whole: Value = match is_json {
        true => serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?,
        false => toml::from_str(text).map_err(|error: toml::de::Error| unreadable(error.message()))?,
    };
    let mut table = &whole;
    for name in at.split('.') {
        table = table.get(name).filter(|table| table.is_object()).ok_or_else(|| {
            let names = table.as_object().into_iter().flatten().filter(|(_, value)| value.is_object());
            let names: Vec<String> = names.map(|(name, _)| output::safe(name)).collect();
            let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::usage(format!("--at {}: not found; tables there: {found}", output::safe(at)))
        })?;
    }
    Ok(table.clone())
}

const ADD_ISSUER: &str = "the issuer is missing; add --issuer ISS (the required iss) or a --policy FILE";
const ADD_AUDIENCE: &str =
    "the audience is missing; add --audience AUD (a name that aud must contain) or a --policy FILE";
const ADD_KEYS: &str =
    "the keys are missing; add --jwks FILE|URL or --pem FILE (discovery needs an issuer that is a URL)";

/// The issuer named by options, with every asymmetric algorithm by default.
fn issuer_from_options(options: &VerifyOptions) -> Result<TrustedIssuerConfig, Failure> {
    let issuer = options.issuer.as_deref().filter(|issuer| !issuer.is_empty());
    let mut issuer = match (issuer, options.audience.first()) {
        (Some(issuer), Some(audience)) => TrustedIssuerConfig::new(issuer, audience),
        (Some(_), None) => return Err(Failure::usage(ADD_AUDIENCE)),
        (None, Some(_)) => return Err(Failure::usage(ADD_ISSUER)),
        (None, None) => return Err(Failure::usage(format!("{ADD_ISSUER}; {ADD_AUDIENCE}"))),
    };
    issuer.algorithms = Some(algorithms(&[])?);
    Ok(issuer)
}

/// Applies `--typ` to `issuer`.
fn apply_type(issuer: &mut TrustedIssuerConfig, name: &str) -> Result<(), Failure> {
    (issuer.danger_any_type, issuer.token_types) = (name == "any", Vec::new());
    match name {
        "" => return Err(Failure::usage("--typ is empty; leave it out, or name a type or any")),
        "any" => {}
        name if bare_type(name) == "at+jwt" => issuer.profile = Profile::AccessToken,
        name => {
            issuer.profile = Profile::Named;
            issuer.token_types.push(bare_type(name));
        }
    }
    Ok(())
}

fn key_location(jwks: Option<&str>, pem: Option<&str>, discover: bool) -> Result<Option<KeyLocation>, Failure> {
    Ok(match (jwks, pem) {
        (Some(url), _) if is_url(url) => Some(KeyLocation::Address(url.to_owned())),
        (Some(path), _) => Some(KeyLocation::Set { text: input::file(path)?, origin: format!("the file {path}") }),
        (None, Some(path)) => Some(KeyLocation::Pem { text: input::file(path)?, origin: format!("the file {path}") }),
        (None, None) => discover.then_some(KeyLocation::Discovery),
    })
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

impl KeyLocation {
    /// The origin of the keys, as text.
    pub(crate) fn origin(&self, issuer: &str) -> String {
        match self {
            KeyLocation::Set { origin, .. } | KeyLocation::Pem { origin, .. } => origin.clone(),
            KeyLocation::Address(url) => format!("the key set at {url}"),
            KeyLocation::Discovery => format!("discovery at {issuer}"),
        }
    }
}
