//! An issuer of a policy, as data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::super::{NeedsAudience, Profile, TrustedIssuer, danger};
use super::{AuthoritiesConfig, ConnectionConfig, KeysConfig, StatusListsConfig};
use crate::key::{Algorithm, KeySource};

/// [`TrustedIssuer`] as plain data: issuer, accepted audiences and rules.
///
/// `issuer` and `audience` are required. Times are whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustedIssuerConfig {
    /// The exact `iss` of the issuer's tokens, compared byte for byte.
    pub issuer: String,
    /// The accepted audiences; a token needs to name only one.
    pub audience: AudienceList,
    /// The location of the keys. Default: discovery.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: KeysConfig,
    /// The settings of the connections that fetch the keys. Default: those of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionConfig>,
    /// The allowed algorithms. Default: [`Algorithm::DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// The algorithm of RSA keys without `alg`. Default: RS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm_of_unlabelled_rsa_keys: Option<Algorithm>,
    /// `compatible` (default), `access_token` or `named`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub profile: Profile,
    /// The types (`typ`) accepted besides those of the profile; if it is `named`, only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_types: Vec<String>,
    /// The tolerated difference between clocks. Default: 30; at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway_seconds: Option<u64>,
    /// The longest `exp - iat`. Default: 24 h in profile `access_token`, otherwise unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u64>,
    /// The greatest accepted age, counted from `iat`. Default: unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// The claims that must be present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_claims: Vec<String>,
    /// The top-level claims that must be exactly these strings.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required_claim_values: BTreeMap<String, String>,
    /// The top-level claims that must be one of these strings.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allowed_claim_values: BTreeMap<String, Vec<String>>,
    /// The prefixes of refused subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_subject_prefixes: Vec<String>,
    /// The SPIFFE trust domain that all subjects must belong to. Default: that of an `issuer` such as `spiffe://shop.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_trust_domain: Option<String>,
    /// The clients (`client_id`) whose tokens are accepted. Default: any. A list that is written and empty is refused.
    #[serde(default, deserialize_with = "some_clients", skip_serializing_if = "Vec::is_empty")]
    pub allowed_clients: Vec<String>,
    /// Requires access tokens to name their client, as [`TrustedIssuer::client_required`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub client_required: bool,
    /// Lets `client_id` replace an absent `aud`; access tokens of Amazon Cognito need it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client_id_for_absent_audience: bool,
    /// The claim by which the issuer marks access tokens, with the values that it has in them, as
    /// [`TrustedIssuer::kind_claim`]: one claim.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind_claim: BTreeMap<String, Vec<String>>,
    /// Accepts access tokens with `nonce`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nonce_in_access_tokens: bool,
    /// Accepts only tokens that are bound to a key of their sender, as [`TrustedIssuer::proof_of_possession_required`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub proof_of_possession_required: bool,
    /// The status lists of the issuer, as [`TrustedIssuer::status_lists`]. Default: statuses are not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_lists: Option<StatusListsConfig>,
    /// The claims that hold scopes, roles, permissions and tenant.
    #[serde(default, skip_serializing_if = "is_default")]
    pub authorities: AuthoritiesConfig,
    /// Weakening: accepts tokens for any audience ([`danger::without_audience`]).
    #[serde(default, skip_serializing_if = "is_default")]
    pub danger_any_audience: bool,
    /// Weakening: accepts tokens of every `typ` ([`danger::any_type`]).
    #[serde(default, skip_serializing_if = "is_default")]
    pub danger_any_type: bool,
    /// Weakening: lets the issuer and its fetched keys use plain `http` ([`danger::plain_http_issuer`]).
    #[serde(default, skip_serializing_if = "is_default")]
    pub danger_plain_http: bool,
}

/// One or more audiences, written as a string or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum AudienceList {
    /// A single audience.
    One(String),
    /// Any of these audiences.
    AnyOf(Vec<String>),
}

impl AudienceList {
    /// The audiences.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            AudienceList::One(name) => std::slice::from_ref(name),
            AudienceList::AnyOf(names) => names,
        }
    }
}

impl TrustedIssuerConfig {
    /// Creates a configuration with defaults for everything but issuer and audience.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        TrustedIssuerConfig {
            issuer: issuer.into(),
            audience: AudienceList::One(audience.into()),
            keys: KeysConfig::default(),
            connection: None,
            algorithms: None,
            algorithm_of_unlabelled_rsa_keys: None,
            profile: Profile::default(),
            token_types: Vec::new(),
            leeway_seconds: None,
            max_lifetime_seconds: None,
            max_age_seconds: None,
            required_claims: Vec::new(),
            required_claim_values: BTreeMap::new(),
            allowed_claim_values: BTreeMap::new(),
            refused_subject_prefixes: Vec::new(),
            spiffe_trust_domain: None,
            allowed_clients: Vec::new(),
            client_required: false,
            client_id_for_absent_audience: false,
            kind_claim: BTreeMap::new(),
            nonce_in_access_tokens: false,
            proof_of_possession_required: false,
            status_lists: None,
            authorities: AuthoritiesConfig::default(),
            danger_any_audience: false,
            danger_any_type: false,
            danger_plain_http: false,
        }
    }

    /// Converts the data into the builder's type, with the keys of `keys`.
    ///
    /// The rules are checked when a verifier is built.
    pub fn to_trusted_issuer(&self, keys: Arc<dyn KeySource>) -> TrustedIssuer {
        let named = NeedsAudience::new(&self.issuer, keys);
        let mut issuer = match (self.danger_any_audience, self.audience.names().split_first()) {
            (true, _) => danger::without_audience(named),
            (false, None) => named.audience(""), // refused at build, with the field's name
            (false, Some((first, others))) => others.iter().fold(named.audience(first), TrustedIssuer::add_audience),
        };
        issuer = issuer.profile(self.profile).authorities(self.authorities.to_authorities());
        if let Some(algorithms) = &self.algorithms {
            issuer = issuer.algorithms(algorithms.iter().copied());
        }
        if let Some(seconds) = self.leeway_seconds {
            issuer = issuer.leeway(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.max_lifetime_seconds {
            issuer = issuer.max_lifetime(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.max_age_seconds {
            issuer = issuer.max_age(Duration::from_secs(seconds));
        }
        if let Some(algorithm) = self.algorithm_of_unlabelled_rsa_keys {
            issuer = issuer.algorithm_of_unlabelled_rsa_keys(algorithm);
        }
        issuer = self.token_types.iter().fold(issuer, TrustedIssuer::token_type);
        issuer = self.required_claims.iter().fold(issuer, TrustedIssuer::required_claim);
        let values = self.required_claim_values.iter();
        issuer = values.fold(issuer, |issuer, (name, value)| issuer.required_claim_value(name, value));
        let allowed = self.allowed_claim_values.iter();
        issuer = allowed.fold(issuer, |issuer, (name, values)| issuer.allowed_claim_values(name, values));
        issuer = self.refused_subject_prefixes.iter().fold(issuer, TrustedIssuer::refused_subject_prefix);
        if let Some(name) = &self.spiffe_trust_domain {
            issuer = issuer.spiffe_trust_domain(name);
        }
        issuer = self.allowed_clients.iter().fold(issuer, TrustedIssuer::allowed_client);
        if self.client_required {
            issuer = issuer.client_required();
        }
        if self.client_id_for_absent_audience {
            issuer = issuer.client_id_for_absent_audience();
        }
        // Several claims are a fault, which an empty name reports.
        issuer = match (self.kind_claim.len(), self.kind_claim.first_key_value()) {
            (1, Some((name, values))) => issuer.kind_claim(name, values),
            (0, _) => issuer,
            _ => issuer.kind_claim("", [""]),
        };
        if self.nonce_in_access_tokens {
            issuer = issuer.nonce_in_access_tokens();
        }
        if self.proof_of_possession_required {
            issuer = issuer.proof_of_possession_required();
        }
        if let Some(lists) = &self.status_lists {
            issuer = issuer.status_lists(lists.to_rules(self.connection.as_ref()));
        }
        if self.danger_any_type {
            issuer = danger::any_type(issuer);
        }
        if self.danger_plain_http {
            issuer = danger::plain_http_issuer(issuer);
        }
        issuer
    }
}

/// Reads a list of clients. An empty one could mean nobody or everybody, such as when a template has lost its last client.
fn some_clients<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let clients = Vec::<String>::deserialize(deserializer)?;
    match clients.is_empty() {
        true => Err(D::Error::custom("allowed_clients names nobody; name a client, or remove the setting")),
        false => Ok(clients),
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
