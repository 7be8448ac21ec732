//! The service. It never waits.

use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::authz::{Denial, Requirement};
use http::{Extensions, HeaderMap, Request, Response, Uri};
use tower_service::Service;

use super::evaluate::{evaluate, lacks_transactions, warn_of_ignored_token, warn_of_missing_parameters};
use super::future::RequireFuture;
use super::request::{HttpFacts, changed_parameter, path_parameters};
use crate::audit::Weight;
use crate::authenticate::{Authenticated, LayerContext};
use crate::response::{AnswerForm, Refusal, ResponseBody, SetupFault};
use crate::telemetry;

/// A service behind a [`RequireLayer`](super::RequireLayer); [`require`](super::require) has an example.
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    requirement: Requirement,
    needs_path: bool,
    needs_transaction: bool,
}

/// The answer to a refused request.
pub(crate) struct Refused {
    pub(crate) answer: Response<Bytes>,
    /// Set if a hidden route answers as if it did not exist: for a denial that says so, and for a mistake in the set-up,
    /// which the log states.
    #[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "only apps have hidden routes"))]
    pub(crate) is_hidden: bool,
}

/// The parts of a request that a guard reads.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) uri: &'r Uri,
    pub(crate) extensions: &'r Extensions,
}

impl<'r> Sent<'r> {
    #[inline(always)]
    fn of<B>(request: &'r Request<B>) -> Self {
        Sent { headers: request.headers(), uri: request.uri(), extensions: request.extensions() }
    }
}

impl<S> Require<S> {
    pub(crate) fn new(inner: S, requirement: Requirement) -> Self {
        let needs_path = requirement.path_parameters().next().is_some();
        let needs_transaction = requirement.needs_transaction();
        Require { inner, requirement, needs_path, needs_transaction }
    }

    /// Evaluates the requirement; `None` lets the request through.
    pub(crate) fn refusal<B>(&self, request: &mut Request<B>) -> Option<Refused> {
        let parameters = if self.needs_path { path_parameters(request.extensions_mut()) } else { Vec::new() };
        let refusal = match request.extensions().get::<Authenticated>() {
            None => Some(refuse_without_layer(Sent::of(request))),
            Some(caller) if caller.compared.is_empty() => {
                self.evaluate(caller, Sent::of(request), &parameters, Weight::Final)
            }
            Some(_) => {
                let changed = changed_parameter(request.extensions_mut());
                match (request.extensions().get::<Authenticated>(), changed) {
                    (None, _) => Some(refuse_without_layer(Sent::of(request))),
                    (Some(caller), Some(parameter)) => {
                        Some(self.refuse_parameter(caller, Sent::of(request), &parameter, Weight::Final))
                    }
                    (Some(caller), None) => self.evaluate(caller, Sent::of(request), &parameters, Weight::Final),
                }
            }
        };
        if refusal.is_none()
            && self.needs_path
            && !self.requirement.is_shadow()
            && let Some(caller) = request.extensions_mut().get_mut::<Authenticated>()
        {
            let names: Vec<&str> = self.requirement.path_parameters().collect();
            caller.compared.extend(parameters.into_iter().filter(|(name, _)| names.contains(&name.as_str())));
        }
        refusal
    }

    /// Evaluates the requirement for a caller whose record is not on the request, with the parameters of the path.
    #[cfg(feature = "axum")]
    pub(crate) fn refusal_of<B>(
        &self,
        caller: &Authenticated,
        request: &Request<B>,
        parameters: &[(String, String)],
    ) -> Option<Refused> {
        self.evaluate(caller, Sent::of(request), parameters, Weight::Final)
    }

    /// Evaluates the requirement for a request of which only this is left, as a provisional decision: the answer to the request
    /// is written elsewhere.
    #[cfg(feature = "axum")]
    pub(crate) fn refusal_of_sent(&self, sent: Sent<'_>) -> Option<Refused> {
        let parameters = self.parameters_of(sent.extensions);
        match sent.extensions.get::<Authenticated>() {
            None => Some(refuse_without_layer(sent)),
            Some(caller) => self.evaluate(caller, sent, &parameters, Weight::Provisional),
        }
    }

    /// The requirement.
    #[cfg(feature = "axum")]
    pub(crate) fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// Returns whether the requirement names parameters of the path.
    #[cfg(feature = "axum")]
    pub(crate) fn needs_path(&self) -> bool {
        self.needs_path
    }

    /// The parameters of the path, if the requirement names some.
    #[cfg(feature = "axum")]
    pub(crate) fn parameters_of(&self, extensions: &Extensions) -> Vec<(String, String)> {
        if self.needs_path { path_parameters(&mut extensions.clone()) } else { Vec::new() }
    }

    #[inline(always)]
    fn evaluate(
        &self,
        caller: &Authenticated,
        sent: Sent<'_>,
        parameters: &[(String, String)],
        weight: Weight,
    ) -> Option<Refused> {
        let Authenticated { verified, transaction, context, form, .. } = caller;
        let LayerContext { clock, samples, responder, .. } = &**context;
        let trail = context.trail(sent.extensions);
        if self.needs_transaction && lacks_transactions(&self.requirement, context) {
            if let Some(trail) = trail {
                trail.failed(Some(&self.requirement), weight);
            }
            return Some(Refused::setup_fault(*form));
        }
        let Some(verified) = verified else {
            if !self.requirement.is_shadow() {
                let refusal = match self.requirement.may_hide() {
                    true => Refusal::Denied(Denial::NotFound),
                    false => {
                        warn_of_ignored_token(sent.headers, sent.uri, context);
                        Refusal::NoToken
                    }
                };
                if let Some(trail) = trail {
                    trail.refused(&refusal, Some(&self.requirement), None, weight);
                }
                return Some(Refused::new(responder.refuse(&refusal, sent.headers, *form), &refusal));
            }
            self.requirement.count_unmet_in_shadow();
            telemetry::denied_in_shadow(&self.requirement, None, samples, clock.elapsed());
            if let Some(trail) = trail {
                trail.would_deny(&self.requirement);
            }
            return None;
        };
        let facts = HttpFacts { parameters, headers: sent.headers, uri: sent.uri };
        if self.needs_path
            && let Some(parameter) = facts.repeated(self.requirement.path_parameters())
        {
            return Some(self.refuse_parameter(caller, sent, parameter, weight));
        }
        let identity = (&**verified, transaction.as_ref());
        let denied = evaluate(&self.requirement, identity, context, &facts, trail, weight).err()?;
        warn_of_missing_parameters(&self.requirement, &facts, sent.uri.path(), context);
        let mut refused = Refused::new(responder.refuse(&denied.refusal, sent.headers, *form), &denied.refusal);
        denied.explain_in(&mut refused.answer);
        Some(refused)
    }

    /// The answer to a path parameter that two routers read differently, or that occurs twice.
    #[cold]
    fn refuse_parameter(&self, caller: &Authenticated, sent: Sent<'_>, parameter: &str, weight: Weight) -> Refused {
        let LayerContext { clock, samples, .. } = &*caller.context;
        telemetry::repeated_parameter(sent.uri.path(), parameter, samples, clock.elapsed());
        if let Some(trail) = caller.context.trail(sent.extensions) {
            trail.failed(Some(&self.requirement), weight);
        }
        Refused::setup_fault(caller.form)
    }
}

impl Refused {
    fn new(answer: Response<Bytes>, refusal: &Refusal) -> Self {
        Refused { answer, is_hidden: matches!(refusal, Refusal::Denied(Denial::NotFound)) }
    }

    fn setup_fault(form: AnswerForm) -> Self {
        Refused { answer: SetupFault.response(form), is_hidden: true }
    }
}

/// The answer to a request that passed no layer.
#[cold]
fn refuse_without_layer(sent: Sent<'_>) -> Refused {
    telemetry::missing_layer(sent.uri.path(), telemetry::ADD_THE_LAYER);
    Refused::setup_fault(AnswerForm::from_extensions(sent.extensions))
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Require<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.refusal(&mut request) {
            None => RequireFuture::inner(self.inner.call(request)),
            Some(refused) => RequireFuture::response(refused.answer),
        }
    }
}
