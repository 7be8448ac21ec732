//! The keys to check: those at an address, or those of a policy's issuer.

use countersign::key::{KeyRejected, KeySet};
use countersign::policy::{KeysConfig, Policy, TrustedIssuerConfig};

use crate::exit::Failure;
use crate::fetch::{self, ConnectionOptions};
use crate::{input, output};

/// The keys of one issuer.
pub(super) struct Target {
    /// The issuer, or the address that was typed.
    pub(super) name: String,
    pub(super) location: Location,
    pub(super) connection: ConnectionOptions,
    /// Plain HTTP is allowed beyond loopback (`danger_plain_http`).
    pub(super) allows_plain_http: bool,
}

/// The location of the keys.
pub(super) enum Location {
    /// A key set, or an issuer whose metadata names one.
    Either,
    /// The metadata of the issuer.
    Discovery,
    /// A key set at this address.
    KeySet(String, Form),
    /// A key set in this text, and its location in words.
    Text(String, String, Form),
    /// Keys that only the service itself can fetch, and why.
    Elsewhere(&'static str),
}

/// The form of a key set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Jwks,
    SpiffeBundle,
}

impl Form {
    pub(super) fn read(self, body: &[u8]) -> Result<KeySet, KeyRejected> {
        match self {
            Form::Jwks => KeySet::from_jwks(body),
            Form::SpiffeBundle => KeySet::from_spiffe_bundle(body),
        }
    }
}

impl Target {
    /// The keys at an address, which is checked here.
    pub(super) fn at(address: &str, connection: &ConnectionOptions) -> Result<Self, Failure> {
        fetch::address(address)?;
        Ok(Target {
            name: address.to_owned(),
            location: Location::Either,
            connection: connection.clone(),
            allows_plain_http: false,
        })
    }

    /// The keys of the issuers of a policy, or only of the one named `issuer`. Options for connections replace the policy's.
    pub(super) fn of_policy(
        policy: &Policy,
        issuer: Option<&str>,
        connection: &ConnectionOptions,
    ) -> Result<Vec<Self>, Failure> {
        let selected = policy.issuers.iter().filter(|trusted| issuer.is_none_or(|issuer| trusted.issuer == issuer));
        let targets = selected.map(|trusted| Self::of_issuer(trusted, policy, connection));
        let targets = targets.collect::<Result<Vec<Self>, Failure>>()?;
        match (targets.is_empty(), issuer) {
            (true, Some(issuer)) => {
                Err(Failure::usage(format!("the policy does not trust the issuer {}", output::safe(issuer))))
            }
            (true, None) => Err(Failure::usage("the policy trusts no issuer")),
            (false, _) => Ok(targets),
        }
    }

    fn of_issuer(
        trusted: &TrustedIssuerConfig,
        policy: &Policy,
        connection: &ConnectionOptions,
    ) -> Result<Self, Failure> {
        let of_policy =
            || trusted.connection.as_ref().or(policy.connection.as_ref()).map(ConnectionOptions::from_config);
        let connection =
            if connection.config().is_some() { connection.clone() } else { of_policy().unwrap_or_default() };
        connection.settings()?;
        let in_file = |path: &str, form| -> Result<Location, Failure> {
            Ok(Location::Text(input::file(path)?, format!("the file {path}"), form))
        };
        let location = match &trusted.keys {
            KeysConfig::Discovery => Location::Discovery,
            KeysConfig::JwksUrl(url) => Location::KeySet(url.clone(), Form::Jwks),
            KeysConfig::SpiffeBundleUrl(url) => Location::KeySet(url.clone(), Form::SpiffeBundle),
            KeysConfig::File(path) => in_file(path, Form::Jwks)?,
            KeysConfig::SpiffeBundleFile(path) => in_file(path, Form::SpiffeBundle)?,
            KeysConfig::Inline(text) => Location::Text(text.clone(), "the policy itself".to_owned(), Form::Jwks),
            KeysConfig::Kubernetes => Location::Elsewhere("only a service in the cluster can fetch its keys"),
            KeysConfig::ApiKeys => Location::Elsewhere("it signs nothing: its callers have API keys"),
            _ => Location::Elsewhere("this version does not know the location of the keys"),
        };
        let (name, allows_plain_http) = (trusted.issuer.clone(), trusted.danger_plain_http);
        Ok(Target { name, location, connection, allows_plain_http })
    }
}
