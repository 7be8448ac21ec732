//! One judgement for layer, extractor and handler, with what is told of it.

use countersign_core::authz::{Decision, RequestContext, RequestFacts, Requirement};
use countersign_core::verify::Verified;

use crate::authenticate::Shared;
use crate::response::Refusal;
use crate::telemetry;

/// Whether `verified` meets `requirement`, for this request.
pub(crate) fn judge(
    requirement: &Requirement,
    verified: &Verified,
    shared: &Shared,
    request: &dyn RequestFacts,
) -> Result<(), Refusal> {
    let on_shadow = |part: &dyn std::fmt::Display| {
        telemetry::denied_in_shadow(part, Some(verified), &shared.samples, shared.clock.elapsed());
    };
    let context = RequestContext::from_clock(&*shared.clock).request(request).on_shadow(&on_shadow);
    match verified.check(requirement, context) {
        Decision::Allowed => Ok(()),
        Decision::Denied(denial) => {
            let subjects = shared.subjects.as_ref();
            telemetry::denied(requirement, &denial, verified, subjects, &shared.samples, shared.clock.elapsed());
            Err(Refusal::Denied(denial))
        }
    }
}

/// Says so where the route has no parameter that the requirement names: it refuses everybody, which nobody can have meant.
pub(crate) fn warn_of_missing_parameters(
    requirement: &Requirement,
    request: &dyn RequestFacts,
    path: &str,
    shared: &Shared,
) {
    let missing = requirement.path_parameters().find(|parameter| request.path_parameter(parameter).is_none());
    if let Some(parameter) = missing {
        telemetry::no_such_parameter(path, parameter, &shared.samples, shared.clock.elapsed());
    }
}
