//! Bindings from policies as data.

use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::Algorithm;
use countersign_core::policy::{AudienceList, OutboundConfig, Policy};
use countersign_core::secret::Secret;

use super::source::{ClientCredentials, DpopKey, FileToken, TokenSource};
use crate::client::{Assertion, SecretSource};
use crate::fetch;

/// The source of tokens that the binding names.
pub(super) fn source(binding: &OutboundConfig, policy: &Policy) -> Result<Box<dyn TokenSource>, ConfigError> {
    if binding.forward_transaction && cfg!(not(feature = "txn")) {
        return Err(ConfigError::new("forward_transaction", "needs the feature txn of the crate countersign"));
    }
    match (&binding.token_file, &binding.client) {
        (Some(_), None) if binding.is_bound_to_key() => Err(ConfigError::new(
            "dpop",
            "set beside token_file; a token in a file is bound to another key, or to none",
        )),
        (Some(file), None) => Ok(Box::new(FileToken::new(file))),
        (None, Some(client)) => Ok(Box::new(credentials(binding, client, policy)?)),
        (None, None) => Err(ConfigError::new("client", "missing; name the client, or a token_file")),
        (Some(_), Some(_)) => Err(ConfigError::new("token_file", "set beside a client; name one of them")),
    }
}

/// The credentials of the binding's client for requests of transaction tokens, without what concerns its own tokens.
#[cfg(feature = "txn")]
pub(super) fn transaction_credentials(
    binding: &OutboundConfig,
    policy: &Policy,
) -> Result<ClientCredentials, ConfigError> {
    let client = binding.client.as_deref().filter(|_| binding.token_file.is_none());
    let client = client.ok_or_else(|| {
        ConfigError::new("client", "missing; name the client that requests transaction tokens, with its secret or key")
    })?;
    let mut binding = binding.clone();
    (binding.audience, binding.resource, binding.scope) = (None, None, None);
    (binding.dpop, binding.accept_bearer_tokens) = (false, false);
    (binding.dpop_key_file, binding.dpop_key_algorithm) = (None, None);
    credentials(&binding, client, policy)
}

fn credentials(binding: &OutboundConfig, client: &str, policy: &Policy) -> Result<ClientCredentials, ConfigError> {
    let mut faults = Vec::new();
    let connection = fetch::settings(binding.connection.as_ref().or(policy.connection.as_ref()))?;
    let mut source = match (&binding.token_endpoint, &binding.issuer, &policy.issuers[..]) {
        (Some(url), _, _) => ClientCredentials::from_token_endpoint(url),
        (None, Some(issuer), _) => ClientCredentials::from_issuer(issuer),
        (None, None, [only]) => ClientCredentials::from_issuer(&only.issuer),
        (None, None, _) => {
            let problem = "missing, and the policy does not trust exactly one; name the issuer of the tokens";
            return Err(ConfigError::new("issuer", problem));
        }
    };
    source = match (&binding.secret_file, &binding.secret_env, &binding.key_file, binding.key_algorithm) {
        (Some(path), None, None, None) => source.client(client, Secret::from_file(path)),
        (None, Some(variable), None, None) => source.client(client, SecretSource::from(Secret::from_env(variable)?)),
        (None, None, Some(path), Some(algorithm)) => {
            let assertion = Assertion::with_key_file(client, client, path, algorithm);
            let certificate = binding.certificate_file.as_ref();
            source.client_assertion(client, certificate.into_iter().fold(assertion, Assertion::certificate_file))
        }
        (None, None, Some(_), None) => {
            faults.push(Fault::new("key_algorithm", "missing; name the algorithm of the key"));
            source
        }
        (None, None, None, None) if connection.has_certificate() => source.client_certificate(client),
        _ => {
            let problem =
                "exactly one of secret_file, secret_env and key_file must be set, or a certificate in connection";
            faults.push(Fault::new("client", problem));
            source
        }
    };
    if binding.certificate_file.is_some() && binding.key_file.is_none() {
        faults.push(Fault::new("certificate_file", "set without key_file; name the file with its key"));
    }
    if binding.accept_bearer_tokens && !binding.is_bound_to_key() {
        faults.push(Fault::new("accept_bearer_tokens", "set without dpop; tokens are Bearer tokens then"));
    }
    if binding.dpop_key_algorithm.is_some() && binding.dpop_key_file.is_none() {
        faults.push(Fault::new("dpop_key_algorithm", "set without dpop_key_file; name the file with its key"));
    }
    ConfigError::check(faults)?;
    if let Some(issuer) = binding.assertion_audience.as_ref().or(binding.issuer.as_ref()) {
        source = source.assertion_audience(issuer);
    }
    for audience in binding.audience.as_ref().map_or(&[][..], AudienceList::names) {
        source = source.add_audience(audience);
    }
    if let Some(resource) = &binding.resource {
        source = source.resource(resource);
    }
    if let Some(scope) = &binding.scope {
        source = source.scope(scope);
    }
    if binding.client_secret_post {
        source = source.client_secret_post();
    }
    source = match dpop_key(binding)? {
        Some(key) if binding.accept_bearer_tokens => source.dpop(key).accept_bearer_tokens(),
        Some(key) => source.dpop(key),
        None => source,
    };
    source = source.connection(connection);
    Ok(if binding.danger_plain_http { source.danger_allow_plain_http() } else { source })
}

/// The key that the tokens are bound to, if they are.
fn dpop_key(binding: &OutboundConfig) -> Result<Option<DpopKey>, ConfigError> {
    if let Some(file) = &binding.dpop_key_file {
        return Ok(Some(DpopKey::from_file(file, binding.dpop_key_algorithm.unwrap_or(Algorithm::ES256))));
    }
    let generated = binding.dpop.then(DpopKey::generate).transpose();
    generated.map_err(|error| ConfigError::new("dpop", error.to_string()))
}
