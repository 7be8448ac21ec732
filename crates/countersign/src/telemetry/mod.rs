//! Every event of this crate in one place: names, levels and fields. None can hold a token, a key or a secret.
//!
//! A caller's tenant is recorded in the span that the layer runs in, where that span has an empty field `tenant`.
//!
//! | target | level | event | fields |
//! |---|---|---|---|
//! | `countersign::authenticate` | DEBUG | a request was authenticated | `issuer`, `tenant`, `subject` (pseudonym, where asked for), `kid` |
//! | `countersign::authenticate` | INFO, at most 10 a second and code | a request was refused | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 a second | keys were not to be had | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 a second | nobody could tell whether a token was revoked | `outcome`, `unlogged` |
//! | `countersign::authenticate` | WARN, once a layer | a layer is weakened by `authenticate::danger` | |
//! | `countersign::guard` | INFO, at most 10 a second and code | a requirement was not met | `code`, `requirement`, `issuer`, `tenant`, `subject` (pseudonym, where asked for), `unlogged` |
//! | `countersign::guard` | INFO, at most 10 a second | a requirement in shadow mode was not met | `requirement`, `issuer`, `tenant`, `unlogged` |
//! | `countersign::guard` | WARN, at most 10 a second | a route lacks a path parameter that its requirement names | `path`, `parameter`, `unlogged` |
//! | `countersign::guard` | ERROR | a guard is built with a requirement that nobody can meet | `requirement`, `error` |
//! | `countersign::guard` | ERROR | a guard or extractor stands where no layer authenticates | `path`, `mend` |
//! | `countersign::guard` | ERROR | a check in a handler names what only a guard can see | `requirement`, `mend` |
//! | `countersign::lifetime` | INFO | a response outlived its caller's token | `outcome` |
//! | `countersign::extract` | INFO, at most 10 a second | claims do not decode into the handler's type | `wanted`, `error`, `unlogged` |
//! | `countersign::keys` | INFO where keys changed, else DEBUG | keys were fetched | `source`, `forced`, `keys`, `added`, `removed` (thumbprints) |
//! | `countersign::keys` | WARN | keys could not be fetched | `source`, `forced`, `error`, `age` (seconds, of the keys in service) |
//! | `countersign::keys` | DEBUG, at most 10 a second | a look for an unknown `kid` fell into the cool-down | `source` |
//! | `countersign::keys` | WARN | a file of keys can be read or changed by others, or holds a private key | `source`, `problem` |
//! | `countersign::issuers` | INFO | an issuer was resolved, or is trusted no more | `issuer` |
//! | `countersign::issuers` | DEBUG, at most 10 a second | a name was refused, or not looked up for now | `issuer`, `reason` |
//! | `countersign::issuers` | WARN, at most 10 a second | an issuer could not be resolved, or not be used | `issuer`, `error` |
//! | `countersign::keys` | WARN or ERROR | an entry of a key set is not used; ERROR where it is private | `source`, `kid`, `reason` |
//! | `countersign::outbound` | DEBUG | a token was fetched | `used_for` (the origin), `is_exchange`, `life` (seconds) |
//! | `countersign::outbound` | WARN, at most 10 a second | a token could not be fetched | `used_for`, `is_exchange`, `error` |
//! | `countersign::outbound` | INFO, at most one a cool-down | a token was dropped: its service answered 401 | `used_for` |

mod samples;

#[cfg(feature = "remote-keys")]
use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::authz::{Denial, Requirement};
#[cfg(feature = "axum")]
use countersign_core::claims::ClaimsError;
use countersign_core::claims::TenantId;
use countersign_core::error::{ConfigError, VerifyError};
#[cfg(feature = "remote-keys")]
use countersign_core::key::KeySet;
use countersign_core::pseudonym::Pseudonyms;
use countersign_core::redact::safe_text;
use countersign_core::verify::Verified;

use samples::Event;
#[cfg(feature = "fetch")]
use samples::Sampler;
pub(crate) use samples::Samples;

/// The tenant goes into the request's span too, where that has a field of this name.
pub(crate) fn authenticated(verified: &Verified, subjects: Option<&Pseudonyms>) {
    let tenant = verified.tenant().map(TenantId::as_str);
    if let Some(tenant) = tenant {
        tracing::Span::current().record("tenant", tenant);
    }
    tracing::debug!(
        target: "countersign::authenticate",
        issuer = verified.issuer(),
        tenant,
        subject = subjects.map(|subjects| subjects.pseudonym(verified.issuer(), verified.subject())),
        kid = verified.key_id().map(safe_text),
        "authenticated"
    );
}

pub(crate) fn refused(error: &VerifyError, samples: &Samples, elapsed: Duration) {
    let Some(unlogged) = samples.admit(Event::Refused(error.kind()), elapsed) else { return };
    let code = error.code();
    if error.is_unavailable() {
        tracing::warn!(target: "countersign::authenticate", code, detail = %error, unlogged, "not decided");
    } else {
        tracing::info!(target: "countersign::authenticate", code, detail = %error, unlogged, "refused");
    }
}

pub(crate) fn bad_credential(code: &'static str, detail: &'static str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::BadCredential, elapsed) {
        tracing::info!(target: "countersign::authenticate", code, detail, unlogged, "refused");
    }
}

pub(crate) fn revocation_unknown(outcome: &'static str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::RevocationUnknown, elapsed) {
        tracing::warn!(target: "countersign::authenticate", outcome, unlogged, "revocation cannot be told");
    }
}

pub(crate) fn denied(
    requirement: &Requirement,
    denial: &Denial,
    verified: &Verified,
    subjects: Option<&Pseudonyms>,
    samples: &Samples,
    elapsed: Duration,
) {
    if let Some(unlogged) = samples.admit(Event::denied(denial), elapsed) {
        let subject = subjects.map(|subjects| subjects.pseudonym(verified.issuer(), verified.subject()));
        let (code, issuer, tenant) = (denial.code(), verified.issuer(), verified.tenant().map(TenantId::as_str));
        tracing::info!(target: "countersign::guard", code, %requirement, issuer, tenant, subject, unlogged, "denied");
    }
}

/// `verified` is none where the caller is anonymous.
pub(crate) fn denied_in_shadow(
    requirement: &dyn std::fmt::Display,
    verified: Option<&Verified>,
    samples: &Samples,
    elapsed: Duration,
) {
    if let Some(unlogged) = samples.admit(Event::DeniedInShadow, elapsed) {
        let issuer = verified.map(Verified::issuer);
        let tenant = verified.and_then(Verified::tenant).map(TenantId::as_str);
        tracing::info!(
            target: "countersign::guard", %requirement, issuer, tenant, unlogged, "would be denied: shadow mode"
        );
    }
}

pub(crate) fn no_such_parameter(path: &str, parameter: &str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::NoSuchParameter, elapsed) {
        let path = safe_text(path);
        tracing::warn!(
            target: "countersign::guard", path, parameter, unlogged,
            "the route has no such parameter; denying everybody"
        );
    }
}

#[cfg(feature = "axum")]
pub(crate) fn claims_schema(wanted: &'static str, error: &ClaimsError, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::ClaimsSchema, elapsed) {
        tracing::info!(target: "countersign::extract", wanted, %error, unlogged, "the claims do not decode");
    }
}

#[cfg(feature = "axum")]
pub(crate) fn request_not_at_hand(requirement: &Requirement) {
    let mend = "guard the route with it, or take Authorized<..> as the handler's argument";
    tracing::error!(target: "countersign::guard", %requirement, mend, "a check in a handler cannot see the request; answering 500");
}

pub(crate) fn token_ended(outcome: &'static str) {
    tracing::info!(target: "countersign::lifetime", outcome, "a response outlived its token");
}

/// What to do where a guard or an extractor met no authenticator.
pub(crate) const ADD_THE_LAYER: &str =
    "add .layer(AuthenticateLayer::new(verifier)) to the router, after the routes it must cover";

pub(crate) fn faulty_requirement(requirement: &Requirement, error: &ConfigError) {
    tracing::error!(target: "countersign::guard", %requirement, %error, "the requirement has a fault; denying everybody");
}

pub(crate) fn missing_layer(path: &str, mend: &'static str) {
    tracing::error!(target: "countersign::guard", path = safe_text(path), mend, "no authenticator before it; answering 500");
}

#[cfg(feature = "remote-keys")]
pub(crate) fn keys_fetched(source: &str, forced: bool, before: Option<&KeySet>, now: &KeySet) {
    let keys = now.len();
    if before.is_some_and(|before| before.has_same_keys(now)) {
        tracing::debug!(target: "countersign::keys", source, forced, keys, "keys fetched, unchanged");
        return;
    }
    let thumbprints = |set: &KeySet| set.keys().map(|key| key.thumbprint().to_owned()).collect::<BTreeSet<_>>();
    let (before, after) = (before.map(thumbprints).unwrap_or_default(), thumbprints(now));
    let listed = |some: Vec<&String>| some.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let added = listed(after.difference(&before).collect());
    let removed = listed(before.difference(&after).collect());
    tracing::info!(target: "countersign::keys", source, forced, keys, added, removed, "keys fetched");
    now.skipped().iter().for_each(|skipped| key_skipped(source, skipped));
}

#[cfg(feature = "remote-keys")]
pub(crate) fn keys_not_fetched(source: &str, forced: bool, error: &crate::fetch::FetchFailure, age: Option<Duration>) {
    let age = age.map(|age| age.as_secs());
    tracing::warn!(target: "countersign::keys", source, forced, %error, age, "keys could not be fetched");
}

#[cfg(feature = "remote-keys")]
pub(crate) fn look_cooled(source: &str, elapsed: Duration) {
    static SAMPLE: Sampler = Sampler::new();
    if SAMPLE.admit(elapsed).is_some() {
        tracing::debug!(target: "countersign::keys", source, "no look: it cools down");
    }
}

#[cfg(feature = "remote-keys")]
pub(crate) fn issuer_resolved(issuer: &str) {
    tracing::info!(target: "countersign::issuers", issuer = safe_text(issuer), "issuer resolved");
}

#[cfg(feature = "remote-keys")]
pub(crate) fn issuer_dropped(issuer: &str) {
    tracing::info!(target: "countersign::issuers", issuer = safe_text(issuer), "issuer trusted no more");
}

#[cfg(feature = "remote-keys")]
pub(crate) fn issuer_passed_over(issuer: &str, reason: &'static str, elapsed: Duration) {
    static SAMPLE: Sampler = Sampler::new();
    if SAMPLE.admit(elapsed).is_some() {
        tracing::debug!(target: "countersign::issuers", issuer = safe_text(issuer), reason, "issuer passed over");
    }
}

#[cfg(feature = "remote-keys")]
pub(crate) fn issuer_not_resolved(issuer: &str, error: &str, elapsed: Duration) {
    static SAMPLE: Sampler = Sampler::new();
    if SAMPLE.admit(elapsed).is_some() {
        let (issuer, error) = (safe_text(issuer), safe_text(error));
        tracing::warn!(target: "countersign::issuers", issuer, error, "issuer not resolved");
    }
}

#[cfg(all(feature = "remote-keys", unix))]
pub(crate) fn key_file_is_open(source: &str, problem: &'static str) {
    tracing::warn!(target: "countersign::keys", source, problem, "a file of keys has an unsafe mode");
}

#[cfg(feature = "remote-keys")]
fn key_skipped(source: &str, skipped: &countersign_core::key::SkippedKey) {
    let (kid, reason) = (&skipped.key_id, &skipped.reason);
    if skipped.is_private_key {
        tracing::error!(target: "countersign::keys", source, kid, %reason, "a published key is private: replace it now");
    } else {
        tracing::warn!(target: "countersign::keys", source, kid, %reason, "an entry of the key set is not used");
    }
}

#[cfg(feature = "outbound")]
pub(crate) fn token_fetched(used_for: &str, is_exchange: bool, life: Option<Duration>) {
    let life = life.map(|life| life.as_secs());
    tracing::debug!(target: "countersign::outbound", used_for, is_exchange, life, "token fetched");
}

#[cfg(feature = "outbound")]
pub(crate) fn token_not_fetched(used_for: &str, is_exchange: bool, error: &dyn std::fmt::Display, elapsed: Duration) {
    static SAMPLE: Sampler = Sampler::new();
    if SAMPLE.admit(elapsed).is_some() {
        tracing::warn!(target: "countersign::outbound", used_for, is_exchange, %error, "token could not be fetched");
    }
}

#[cfg(feature = "outbound")]
pub(crate) fn token_dropped(used_for: &str) {
    tracing::info!(target: "countersign::outbound", used_for, "token dropped after a 401");
}
