//! The evaluation of a requirement, shared by guard, extractor and handler.

use std::fmt::Display;

use countersign_core::authz::{Decision, Denial, Explanation, Requirement};
use countersign_core::integration::{RequestContext, RequestFacts, check_in_transaction, explain_in_transaction};
use countersign_core::verify::{TransactionToken, Verified};
use http::{HeaderMap, Response, Uri};

use crate::audit::{Trail, Weight};
use crate::authenticate::LayerContext;
use crate::response::Refusal;
use crate::telemetry;

/// A denied request.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) refusal: Refusal,
    /// Only for tokens of test keys: assertions of the test kit show it. It is never in an answer's headers or body.
    explanation: Option<Explanation>,
}

impl Denied {
    /// Leaves the explanation beside the answer, for the test kit.
    pub(crate) fn explain_in<B>(self, answer: &mut Response<B>) {
        if let Some(explanation) = self.explanation {
            answer.extensions_mut().insert(explanation);
        }
    }
}

/// Returns whether the requirement reads transactions, and the layer takes none: a mistake in the set-up, which is logged.
pub(crate) fn lacks_transactions(requirement: &Requirement, context: &LayerContext) -> bool {
    let lacks = context.transactions.is_none() && requirement.needs_transaction();
    if lacks {
        telemetry::transactions_not_taken(requirement, &context.samples, context.clock.elapsed());
    }
    lacks
}

/// Evaluates `requirement` for `verified` and this request, and logs a denial. What is decided goes to the trail, with the weight
/// of a refusal.
pub(crate) fn evaluate(
    requirement: &Requirement,
    (verified, transaction): (&Verified, Option<&TransactionToken>),
    context: &LayerContext,
    request: &dyn RequestFacts,
    trail: Option<&Trail>,
    weight: Weight,
) -> Result<(), Denied> {
    let LayerContext { clock, samples, .. } = context;
    let caller = (verified, transaction);
    let on_shadow = |part: &dyn Display| {
        telemetry::denied_in_shadow(part, Some(caller), samples, clock.elapsed());
        if let Some(trail) = trail {
            trail.would_deny(part);
        }
    };
    let on_unknown = |part: &dyn Display, reason| telemetry::unknown(part, reason, caller, samples, clock.elapsed());
    let plain = RequestContext::from_clock(&**clock).request(request);
    let listening = plain.on_shadow(&on_shadow).on_unknown(&on_unknown);
    match check_in_transaction(verified, requirement, listening, transaction) {
        Decision::Allowed => {
            if let Some(trail) = trail {
                trail.met(requirement);
            }
            Ok(())
        }
        Decision::Denied(denial) => {
            let denied = denied(requirement, denial, caller, context, plain);
            if let Some(trail) = trail {
                let unmet = explain_in_transaction(verified, requirement, plain, transaction).parts();
                trail.refused(&denied.refusal, Some(requirement), Some(&unmet), weight);
            }
            Err(denied)
        }
    }
}

/// Warns if a caller without a record sent a token: the layer ignores it on public paths.
#[cold]
pub(crate) fn warn_of_ignored_token(headers: &HeaderMap, uri: &Uri, context: &LayerContext) {
    if context.seems_to_have_token(headers, uri) {
        telemetry::token_ignored(uri.path(), &context.samples, context.clock.elapsed());
    }
}

#[cold]
fn denied(
    requirement: &Requirement,
    denial: Denial,
    (verified, transaction): (&Verified, Option<&TransactionToken>),
    LayerContext { clock, samples, subjects, .. }: &LayerContext,
    request: RequestContext<'_>,
) -> Denied {
    let explain = || explain_in_transaction(verified, requirement, request, transaction);
    telemetry::denied(
        requirement,
        &denial,
        (verified, transaction),
        subjects.as_ref(),
        samples,
        clock.elapsed(),
        &explain,
    );
    let explanation = verified.is_signed_by_test_key().then(explain);
    Denied { refusal: Refusal::Denied(denial), explanation }
}

/// Warns if the route lacks a path parameter that the requirement names, which denies everybody and is surely a mistake.
pub(crate) fn warn_of_missing_parameters(
    requirement: &Requirement,
    request: &dyn RequestFacts,
    path: &str,
    context: &LayerContext,
) {
    let missing = requirement.path_parameters().find(|parameter| request.path_parameter(parameter).is_none());
    if let Some(parameter) = missing {
        telemetry::no_such_parameter(path, parameter, &context.samples, context.clock.elapsed());
    }
}
