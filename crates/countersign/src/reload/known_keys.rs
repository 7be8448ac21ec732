//! Key sources that stay when a policy is replaced.

use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{AudienceList, AuthoritiesConfig, TrustedIssuerConfig};

/// Creates the key source of an issuer.
pub(super) type MakeKeys = dyn Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> + Send + Sync;

/// A key source, with the settings that determine it.
pub(super) type KnownKeys = (TrustedIssuerConfig, Arc<dyn KeySource>);

/// The source of an issuer's keys: a known one, if the location is the same.
pub(super) fn source(
    issuer: &TrustedIssuerConfig,
    make_keys: &MakeKeys,
    known: &[KnownKeys],
) -> Result<KnownKeys, ConfigError> {
    let location = location(issuer);
    let source = match known.iter().find(|(known, _)| *known == location) {
        Some((_, source)) => Arc::clone(source),
        None => make_keys(issuer)?,
    };
    Ok((location, source))
}

/// The issuer without the rules that have nothing to do with its keys.
fn location(issuer: &TrustedIssuerConfig) -> TrustedIssuerConfig {
    let rules = TrustedIssuerConfig::new("", "");
    let mut location = issuer.clone();
    location.audience = AudienceList::AnyOf(Vec::new());
    location.authorities = AuthoritiesConfig::default();
    location.profile = rules.profile;
    location.token_types = rules.token_types;
    location.leeway_seconds = None;
    location.max_lifetime_seconds = None;
    location.max_age_seconds = None;
    location.required_claims = rules.required_claims;
    location.required_claim_values = rules.required_claim_values;
    location.allowed_claim_values = rules.allowed_claim_values;
    location.refused_subject_prefixes = rules.refused_subject_prefixes;
    location.spiffe_trust_domain = None;
    location.allowed_clients = rules.allowed_clients;
    location.kind_claim = rules.kind_claim;
    location.status_lists = None;
    location
}
