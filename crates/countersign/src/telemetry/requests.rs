//! Events of requests: authentication, guards, extractors, lifetimes.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::authz::{Denial, Explanation, Requirement};
#[cfg(feature = "axum")]
use countersign_core::claims::ClaimsError;
use countersign_core::claims::TenantId;
use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::{ConfigError, VerifyError, VerifyErrorKind};
use countersign_core::integration::{Unknown, safe_text};
use countersign_core::policy::TrustedIssuer;
use countersign_core::proof::{ProofError, ProofErrorKind};
use countersign_core::pseudonym::Pseudonyms;
use countersign_core::verify::{TransactionToken, Verified};
use tracing::Level;

use super::counts;
use super::samples::{Event, Sampler, Samples};

/// Also records the tenant and the transaction in the current span, if that has fields of these names.
pub(crate) fn authenticated(
    verified: &Verified,
    transaction: Option<&TransactionToken>,
    subjects: Option<&Pseudonyms>,
) {
    counts::authenticated(verified.token_kind());
    let tenant = verified.tenant().map(TenantId::as_str);
    if let Some(tenant) = tenant {
        tracing::Span::current().record("tenant", tenant);
    }
    let txn = transaction.map(TransactionToken::id);
    if let Some(txn) = txn {
        tracing::Span::current().record("txn", txn);
    }
    tracing::debug!(
        target: "countersign::authenticate",
        issuer = verified.issuer(),
        tenant,
        txn,
        subject = subjects.map(|subjects| subjects.pseudonym(verified.issuer(), verified.subject())),
        kid = verified.key_id().map(safe_text),
        kind = verified.token_kind().name(),
        "authenticated"
    );
}

pub(crate) fn refused(error: &VerifyError, samples: &Samples, elapsed: Duration) {
    let Some(unlogged) = samples.admit(Event::Refused(error.kind()), elapsed) else { return };
    let (code, detail) = (error.code(), error.detail());
    if error.kind() == VerifyErrorKind::IntrospectionUnavailable {
        tracing::warn!(target: "countersign::authenticate", code, detail = %detail, unlogged, "not verified: introspection unavailable");
    } else if error.kind() == VerifyErrorKind::ApiKeysUnavailable {
        tracing::warn!(target: "countersign::authenticate", code, detail = %detail, unlogged, "not verified: API keys unavailable");
    } else if error.is_unavailable() {
        tracing::warn!(target: "countersign::authenticate", code, detail = %detail, unlogged, "not verified: keys unavailable");
    } else {
        // The layer that refuses cannot know one behind it, whose verifier may trust this issuer. A name that differs only by its
        // slash is of the same issuer.
        let is_other = error.kind() == VerifyErrorKind::UnknownIssuer && detail.starts_with("iss: ");
        let fix = is_other.then_some(
            "if its tokens are to be accepted, trust the issuer in this verifier, which can trust several; a second layer adds none to it",
        );
        tracing::info!(target: "countersign::authenticate", code, detail = %detail, fix, unlogged, "refused");
    }
}

pub(crate) fn refused_transaction(error: &VerifyError, samples: &Samples, elapsed: Duration) {
    let is_unavailable = error.is_unavailable();
    let event = if is_unavailable { Event::TransactionUnverified } else { Event::RefusedTransaction };
    let Some(unlogged) = samples.admit(event, elapsed) else { return };
    let (code, detail) = (error.code(), error.detail());
    if is_unavailable {
        tracing::warn!(target: "countersign::authenticate", code, detail = %detail, unlogged, "transaction token not verified: keys unavailable");
    } else {
        tracing::info!(target: "countersign::authenticate", code, detail = %detail, unlogged, "refused transaction token");
    }
}

/// The layer demands a transaction token, and this authenticated caller sent none.
pub(crate) fn no_transaction(verified: &Verified, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::NoTransaction, elapsed) {
        let (issuer, tenant) = (verified.issuer(), verified.tenant().map(TenantId::as_str));
        let code = "transaction_token_required";
        tracing::info!(target: "countersign::authenticate", code, issuer, tenant, unlogged, "no transaction token");
    }
}

pub(crate) fn refused_proof(error: &ProofError, samples: &Samples, elapsed: Duration) {
    let Some(unlogged) = samples.admit(Event::RefusedProof(error.kind()), elapsed) else { return };
    let (code, detail) = (error.code(), error.detail());
    if error.kind() == ProofErrorKind::Undecided {
        tracing::warn!(target: "countersign::authenticate", code, detail = %detail, unlogged, "not verified: replay store unavailable");
    } else {
        tracing::info!(target: "countersign::authenticate", code, detail = %detail, unlogged, "refused proof");
    }
}

pub(crate) fn bad_credential(code: &'static str, detail: &'static str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::BadCredential, elapsed) {
        tracing::info!(target: "countersign::authenticate", code, detail, unlogged, "refused");
    }
}

/// `scheme` is of a closed set, since an unknown one may be the token itself.
pub(crate) fn other_scheme(scheme: &'static str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::OtherScheme, elapsed) {
        tracing::debug!(
            target: "countersign::authenticate", scheme, unlogged,
            "another scheme than Bearer in the Authorization header; a token needs `Bearer` before it"
        );
    }
}

/// `accepted_by` is the issuer for which the layer before accepted the token.
pub(crate) fn second_layer(
    accepted_by: &str,
    trusted: impl Iterator<Item = Arc<TrustedIssuer>>,
    samples: &Samples,
    elapsed: Duration,
) {
    if let Some(unlogged) = samples.admit(Event::SecondLayer, elapsed) {
        let trusted = trusted.take(8).map(|issuer| issuer.issuer().to_owned()).collect::<Vec<_>>().join(", ");
        tracing::warn!(
            target: "countersign::authenticate", accepted_by, trusted, unlogged,
            "refused a token that another authentication layer before this one accepted; use one layer whose verifier trusts all issuers"
        );
    }
}

pub(crate) fn token_ignored(path: &str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::TokenIgnored, elapsed) {
        tracing::warn!(
            target: "countersign::authenticate", path = safe_text(path), unlogged,
            "a token was sent and ignored, because the path is public; to read it, list the path in `optional` instead"
        );
    }
}

pub(crate) fn revocation_unknown(outcome: &'static str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::RevocationUnknown, elapsed) {
        tracing::warn!(target: "countersign::authenticate", outcome, unlogged, "revocation status unknown");
    }
}

/// The names that the caller has are in a DEBUG event of their own: they come from the token.
pub(crate) fn denied(
    requirement: &Requirement,
    denial: &Denial,
    (verified, transaction): (&Verified, Option<&TransactionToken>),
    subjects: Option<&Pseudonyms>,
    samples: &Samples,
    elapsed: Duration,
    explain: &dyn Fn() -> Explanation,
) {
    let Some(unlogged) = samples.admit(Event::denied(denial), elapsed) else { return };
    if !tracing::enabled!(target: "countersign::guard", Level::INFO) {
        return;
    }
    let explanation = explain();
    let subject = subjects.map(|subjects| subjects.pseudonym(verified.issuer(), verified.subject()));
    let (code, issuer, tenant) = (denial.code(), verified.issuer(), verified.tenant().map(TenantId::as_str));
    let (unmet, txn) = (explanation.parts(), transaction.map(TransactionToken::id));
    tracing::info!(
        target: "countersign::guard", code, %requirement, unmet, issuer, tenant, txn, subject, unlogged, "denied"
    );
    tracing::debug!(target: "countersign::guard", code, %requirement, unmet = %explanation, "what the denied caller has");
}

/// A handler needs the caller's tenant, and the token has none.
#[cfg(feature = "axum")]
pub(crate) fn no_tenant(
    (verified, transaction): (&Verified, Option<&TransactionToken>),
    subjects: Option<&Pseudonyms>,
    samples: &Samples,
    elapsed: Duration,
) {
    let Some(unlogged) = samples.admit(Event::denied(&Denial::Forbidden), elapsed) else { return };
    let subject = subjects.map(|subjects| subjects.pseudonym(verified.issuer(), verified.subject()));
    let (code, issuer, requirement) = (Denial::Forbidden.code(), verified.issuer(), "a tenant");
    let unmet = "a tenant (the token has none, or the policy does not map its claim)";
    let txn = transaction.map(TransactionToken::id);
    tracing::info!(target: "countersign::guard", code, requirement, unmet, issuer, txn, subject, unlogged, "denied");
}

/// A handler denied the caller by a rule of its own.
#[cfg(feature = "axum")]
pub(crate) fn denied_by_handler(
    denial: &Denial,
    (verified, transaction): (&Verified, Option<&TransactionToken>),
    subjects: Option<&Pseudonyms>,
    samples: &Samples,
    elapsed: Duration,
) {
    let Some(unlogged) = samples.admit(Event::DeniedByHandler, elapsed) else { return };
    let subject = subjects.map(|subjects| subjects.pseudonym(verified.issuer(), verified.subject()));
    let (issuer, tenant) = (verified.issuer(), verified.tenant().map(TenantId::as_str));
    let code = if *denial == Denial::NotFound { "handler_not_found" } else { "handler_forbidden" };
    let (requirement, unmet) = ("a rule of the handler", "a rule of the handler");
    let txn = transaction.map(TransactionToken::id);
    tracing::info!(
        target: "countersign::guard", code, requirement, unmet, issuer, tenant, txn, subject, unlogged, "denied"
    );
}

/// `caller` is `None` for an anonymous one.
pub(crate) fn denied_in_shadow(
    requirement: &dyn std::fmt::Display,
    caller: Option<(&Verified, Option<&TransactionToken>)>,
    samples: &Samples,
    elapsed: Duration,
) {
    if let Some(unlogged) = samples.admit(Event::DeniedInShadow, elapsed) {
        let issuer = caller.map(|(verified, _)| verified.issuer());
        let tenant = caller.and_then(|(verified, _)| verified.tenant()).map(TenantId::as_str);
        let txn = caller.and_then(|(_, transaction)| transaction).map(TransactionToken::id);
        tracing::info!(
            target: "countersign::guard", %requirement, issuer, tenant, txn, unlogged, "would be denied (shadow mode)"
        );
    }
}

/// A part of a requirement that cannot be evaluated, and refuses for that.
pub(crate) fn unknown(
    part: &dyn std::fmt::Display,
    reason: Unknown,
    (verified, transaction): (&Verified, Option<&TransactionToken>),
    samples: &Samples,
    elapsed: Duration,
) {
    let Some(unlogged) = samples.admit(Event::UnknownPart, elapsed) else { return };
    let issuer = verified.issuer();
    let distributed = verified.grants().distributed.iter().take(8).map(safe_text).collect::<Vec<_>>().join(", ");
    let detail = match reason {
        Unknown::Distributed => format!(
            "not in the token: {distributed}; it says that they are elsewhere. Have the issuer write them into the token"
        ),
        other => other.to_string(),
    };
    let txn = transaction.map(TransactionToken::id);
    tracing::info!(
        target: "countersign::guard", %part, issuer, txn, detail, unlogged, "cannot be evaluated, so it refuses"
    );
}

pub(crate) fn transactions_not_taken(requirement: &Requirement, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::RequestNotAvailable, elapsed) {
        let fix =
            "add .transaction_tokens(..) to AuthenticateLayer::builder, or leave transactions out of the requirement";
        tracing::error!(
            target: "countersign::guard", %requirement, fix, unlogged,
            "the layer takes no transaction tokens, and the requirement reads them; answering 500"
        );
    }
}

pub(crate) fn repeated_parameter(path: &str, parameter: &str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::NoSuchParameter, elapsed) {
        let path = safe_text(path);
        tracing::error!(
            target: "countersign::guard", path, parameter, unlogged,
            "nested routers have the path parameter twice, so guard and handler could read different ones; rename one of them. Answering 500"
        );
    }
}

pub(crate) fn no_such_parameter(path: &str, parameter: &str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::NoSuchParameter, elapsed) {
        let path = safe_text(path);
        tracing::warn!(
            target: "countersign::guard", path, parameter, unlogged,
            "the route lacks the path parameter; denying every request"
        );
    }
}

#[cfg(feature = "axum")]
pub(crate) fn claims_schema(expected: &'static str, error: &ClaimsError, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::ClaimsSchema, elapsed) {
        tracing::info!(target: "countersign::extract", expected, %error, unlogged, "claims do not match the expected type");
    }
}

#[cfg(feature = "axum")]
pub(crate) fn request_not_available(requirement: &Requirement, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::RequestNotAvailable, elapsed) {
        let fix = "guard the route with it, or take Authorized<..> as the handler's argument";
        tracing::error!(
            target: "countersign::guard", %requirement, fix, unlogged,
            "a check in a handler cannot see the request; answering 500"
        );
    }
}

pub(crate) fn token_ended(outcome: &'static str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::TokenEnded, elapsed) {
        tracing::info!(target: "countersign::lifetime", outcome, unlogged, "response outlived its token");
    }
}

/// The fix for a guard or an extractor without an authentication layer.
pub(crate) const ADD_THE_LAYER: &str =
    "add .layer(AuthenticateLayer::new(verifier)) to the router, after the routes it must cover";

pub(crate) fn faulty_requirement(requirement: &Requirement, error: &ConfigError) {
    tracing::error!(
        target: "countersign::guard", %requirement, %error, "the requirement cannot be met; denying every request"
    );
}

/// Sampled for the whole process: without a layer there are no samples of one.
pub(crate) fn missing_layer(path: &str, fix: &'static str) {
    static SAMPLE: Sampler = Sampler::new();
    if let Some(unlogged) = SAMPLE.admit(SystemClock.elapsed()) {
        tracing::error!(
            target: "countersign::guard", path = safe_text(path), fix, unlogged,
            "no authentication layer before the guard or extractor; answering 500"
        );
    }
}
