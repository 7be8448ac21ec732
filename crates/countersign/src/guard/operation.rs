//! A guard for the operations that one route has, each with a requirement of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use countersign_core::authz::Requirement;
use countersign_core::error::VerifyError;
use countersign_core::integration::{RequestContext, check_in_transaction};
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response};

use super::request::HttpFacts;
use super::service::{Require, Sent};
use crate::audit::{Trail, Weight};
use crate::authenticate::{Authenticated, GuardId};
use crate::response::{AnswerForm, Refusal, SetupFault};
use crate::telemetry;

/// A requirement that a layer of another crate evaluates for a request, or for what is left of one.
#[derive(Clone, Debug)]
pub struct OperationGuard {
    require: Require<()>,
    id: GuardId,
}

impl OperationGuard {
    /// A guard with this requirement.
    #[must_use]
    pub fn new(requirement: Requirement) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = GuardId(NEXT.fetch_add(1, Ordering::Relaxed));
        OperationGuard { require: Require::new((), requirement), id }
    }

    /// The requirement.
    pub fn requirement(&self) -> &Requirement {
        self.require.requirement()
    }

    /// The answer to a request that may not pass; `None` lets it pass.
    #[must_use]
    pub fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        self.require.refusal(request).map(|refused| refused.answer)
    }

    /// Notes on the request that this guard let it pass.
    ///
    /// ```
    /// use countersign::authz::scope;
    /// use countersign::integration::OperationGuard;
    ///
    /// let guard = OperationGuard::new(scope("orders:read"));
    /// let mut extensions = http::Extensions::new();
    /// guard.note_passed(&mut extensions);
    /// assert!(!guard.has_passed(&extensions)); // there is no caller
    /// ```
    pub fn note_passed(&self, extensions: &mut Extensions) {
        if let Some(caller) = extensions.get_mut::<Authenticated>() {
            caller.passed = Some(self.id);
        }
    }

    /// Returns whether it is noted that this guard let the request pass, and no other guard after it.
    #[must_use]
    pub fn has_passed(&self, extensions: &Extensions) -> bool {
        extensions.get::<Authenticated>().is_some_and(|caller| caller.passed == Some(self.id))
    }

    /// The same as [`refusal`](Self::refusal) for a request of which only its parts are left. Its answer may already be on its way.
    #[must_use]
    pub fn refusal_of(&self, parts: &Parts) -> Option<Response<Bytes>> {
        let sent = Sent { headers: &parts.headers, uri: &parts.uri, extensions: &parts.extensions };
        self.require.refusal_of_sent(sent).map(|refused| refused.answer)
    }

    /// Returns whether the caller of this request meets the requirement. Nothing is logged or counted as a refusal.
    #[must_use]
    pub fn is_met_by(&self, parts: &Parts) -> bool {
        let Some(Authenticated { verified: Some(verified), transaction, context, .. }) = parts.extensions.get() else {
            return false;
        };
        let parameters = self.require.parameters_of(&parts.extensions);
        let facts = HttpFacts { parameters: &parameters, headers: &parts.headers, uri: &parts.uri };
        let request = RequestContext::from_clock(&*context.clock).request(&facts);
        check_in_transaction(verified, self.requirement(), request, transaction.as_ref()).is_allowed()
    }
}

/// The answer to a request whose token was made for another audience than this; `None` if it names it.
///
/// A request without a caller passes: the guard of its operation refuses it.
#[must_use]
pub fn refuse_other_audience(extensions: &Extensions, headers: &HeaderMap, audience: &str) -> Option<Response<Bytes>> {
    let caller = extensions.get::<Authenticated>()?;
    let verified = caller.verified.as_ref()?;
    if verified.audiences().any(|named| named == audience) {
        return None;
    }
    let error = VerifyError::wrong_audience(audience);
    telemetry::refused(&error, &caller.context.samples, caller.context.clock.elapsed());
    Some(refuse(extensions, headers, &Refusal::Token(error)))
}

/// The answer to a request whose headers do not tell its operation.
#[must_use]
pub fn refuse_unclear_operation(extensions: &Extensions, headers: &HeaderMap) -> Response<Bytes> {
    refuse(extensions, headers, &Refusal::UnclearOperation)
}

#[cold]
fn refuse(extensions: &Extensions, headers: &HeaderMap, refusal: &Refusal) -> Response<Bytes> {
    let Some(Authenticated { context, form, .. }) = extensions.get() else {
        telemetry::missing_layer("", telemetry::ADD_THE_LAYER);
        return SetupFault.response(AnswerForm::from_extensions(extensions));
    };
    if let Some(trail) = Trail::of(extensions) {
        trail.refused(refusal, None, None, Weight::Final);
    }
    context.responder.refuse(refusal, headers, *form)
}
