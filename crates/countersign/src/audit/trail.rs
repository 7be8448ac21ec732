//! The decisions about one request, from the layer to the handler.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::authz::Requirement;
use countersign_core::clock::UnixTime;
use countersign_core::policy::Fingerprint;
use countersign_core::verify::{TransactionToken, Verified};
use http::{Extensions, Method, Request, Response};

use super::event::{self, AuditEvent};
use super::log::Auditor;
use super::outcome::AuditOutcome;
use super::route;
use crate::response::Refusal;
use crate::telemetry::TraceParent;

/// The most requirements in shadow mode, and the most that were met, of one event.
const MAX_RULES: usize = 8;

/// Request extension: gathers what is decided about the request. It is there only behind a layer with an audit log.
#[derive(Clone, Debug)]
pub(crate) struct Trail(Arc<Open>);

#[derive(Debug)]
struct Open {
    auditor: Arc<Auditor>,
    time: UnixTime,
    began: Duration,
    method: Method,
    trace: Option<TraceParent>,
    policy: Fingerprint,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// Set while some future will write the event.
    has_owner: bool,
    /// Set while an owner ends whose request was handed back.
    is_left_to_another: bool,
    is_written: bool,
    route: Option<Box<str>>,
    caller: Option<Arc<Verified>>,
    /// Only if allowed requests are recorded.
    met: Vec<Requirement>,
    would_deny: Vec<String>,
    refusal: Option<FoundRefusal>,
    transaction: Option<TransactionToken>,
}

/// A refusal by the layer, a guard, an extractor or a handler.
#[derive(Clone, Debug)]
struct FoundRefusal {
    outcome: AuditOutcome,
    code: &'static str,
    requirement: Option<String>,
    unmet: Option<String>,
    weight: Weight,
}

/// The weight of a refusal: whether an answer can overrule it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// By a layer or a guard, which answer by themselves.
    Final,
    /// By an extractor or a handler: it counts unless the response is a success nevertheless.
    Provisional,
}

/// Writes the event of a request when its response is there, or when it is dropped without one.
#[derive(Debug)]
pub(crate) struct TrailOwner(Trail);

impl Trail {
    /// Begins the trail of a request, unless a layer before this one has.
    #[cold]
    pub(crate) fn begin<B>(auditor: &Arc<Auditor>, request: &mut Request<B>) {
        if request.extensions().get::<Trail>().is_some() {
            return;
        }
        let found = Found { route: route::pattern(request.extensions()).map(Box::from), ..Found::default() };
        let open = Open {
            auditor: Arc::clone(auditor),
            time: auditor.clock.now(),
            began: auditor.clock.elapsed(),
            method: request.method().clone(),
            trace: TraceParent::of(request.headers()),
            policy: auditor.policy(),
            found: Mutex::new(found),
        };
        request.extensions_mut().insert(Trail(Arc::new(open)));
    }

    /// The trail of the request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Trail>()
    }

    /// Notes the caller that a layer authenticated, and its transaction; `None` for an anonymous one. A second layer that lets everybody through
    /// takes nothing back.
    pub(crate) fn admitted(&self, caller: Option<&Arc<Verified>>, transaction: Option<&TransactionToken>) {
        let Some(caller) = caller else { return };
        let mut found = self.found();
        found.caller = Some(Arc::clone(caller));
        if let Some(transaction) = transaction {
            found.transaction = Some(transaction.clone());
        }
    }

    /// Notes the transaction that began with the request.
    #[cfg(all(feature = "outbound", feature = "txn"))]
    pub(crate) fn began(&self, transaction: &TransactionToken) {
        self.found().transaction.get_or_insert_with(|| transaction.clone());
    }

    /// The trail of the request with these extensions, with the route, which routers behind the layer match more exactly.
    #[cold]
    pub(crate) fn routed(extensions: &Extensions) -> Option<&Self> {
        let trail = Trail::of(extensions)?;
        if let Some(pattern) = route::pattern(extensions) {
            let mut found = trail.found();
            if found.route.as_deref() != Some(pattern) {
                found.route = Some(pattern.into());
            }
        }
        Some(trail)
    }

    /// Notes a requirement that the caller meets.
    #[cold]
    pub(crate) fn met(&self, requirement: &Requirement) {
        let log = &self.0.auditor.log;
        if log.records_allowed || log.records_anonymous {
            let mut found = self.found();
            if found.met.len() < MAX_RULES {
                found.met.push(requirement.clone());
            }
        }
    }

    /// Notes a requirement in shadow mode that would have refused.
    pub(crate) fn would_deny(&self, requirement: &dyn Display) {
        let mut found = self.found();
        if found.would_deny.len() < MAX_RULES {
            found.would_deny.push(requirement.to_string());
        }
    }

    /// Notes a refusal, by a requirement if there is one.
    pub(crate) fn refused(
        &self,
        refusal: &Refusal,
        requirement: Option<&dyn Display>,
        unmet: Option<&str>,
        weight: Weight,
    ) {
        let requirement = requirement.map(|requirement| event::rule(&requirement.to_string()));
        let (outcome, code) = (AuditOutcome::of(refusal), refusal.exact_code());
        self.add(FoundRefusal { outcome, code, requirement, unmet: unmet.map(event::rule), weight });
    }

    /// Notes a mistake in the set-up of the service.
    pub(crate) fn failed(&self, requirement: Option<&dyn Display>, weight: Weight) {
        let requirement = requirement.map(|requirement| event::rule(&requirement.to_string()));
        let (outcome, code) = (AuditOutcome::Error, "internal_error");
        self.add(FoundRefusal { outcome, code, requirement, unmet: None, weight });
    }

    fn add(&self, refusal: FoundRefusal) {
        let mut found = self.found();
        if found.is_written {
            // The response has begun long ago, as in a WebSocket: this denial needs a line of its own.
            let event = self.event(&found, Some(refusal), None, None);
            drop(found);
            self.0.auditor.write(&event);
        } else if found.refusal.as_ref().is_none_or(|known| known.weight == Weight::Provisional) {
            found.refusal = Some(refusal);
        }
    }

    /// Hands the request to another router: what was decided is not final, and another owner writes the event.
    #[cfg(feature = "axum")]
    pub(crate) fn hand_back(&self) {
        let mut found = self.found();
        found.has_owner = false;
        if let Some(refusal) = &mut found.refusal {
            refusal.weight = Weight::Provisional;
        }
    }

    fn write(&self, status: Option<u16>, grpc_status: Option<u8>) {
        let mut found = self.found();
        if std::mem::replace(&mut found.is_written, true) {
            return;
        }
        let is_success = status.is_some_and(|status| status < 400) && grpc_status.is_none_or(|status| status == 0);
        let refusal = found.refusal.take().filter(|refusal| refusal.weight == Weight::Final || !is_success);
        let log = &self.0.auditor.log;
        let is_wanted = match (&refusal, &found.caller) {
            (Some(_), _) => true,
            (None, Some(_)) => log.records_allowed,
            (None, None) => log.records_anonymous,
        };
        if is_wanted {
            let event = self.event(&found, refusal, status, grpc_status);
            drop(found);
            self.0.auditor.write(&event);
        }
    }

    fn event(
        &self,
        found: &Found,
        refusal: Option<FoundRefusal>,
        status: Option<u16>,
        grpc_status: Option<u8>,
    ) -> AuditEvent {
        let Open { auditor, time, began, method, trace, policy, .. } = &*self.0;
        let (service, service_client, service_client_issuer) = auditor.service();
        let joined = |rules: Vec<String>| (!rules.is_empty()).then(|| event::rule(&rules.join(" and ")));
        let would_deny = joined(found.would_deny.clone());
        let (outcome, code, requirement, unmet) = match refusal {
            Some(refusal) => (refusal.outcome, refusal.code, refusal.requirement, refusal.unmet),
            None => (AuditOutcome::Allowed, "ok", joined(found.met.iter().map(ToString::to_string).collect()), None),
        };
        AuditEvent {
            time: *time,
            service,
            service_client,
            service_client_issuer,
            outcome,
            code,
            status,
            grpc_status,
            method: event::method(method.as_str()),
            route: found.route.as_deref().map(event::name),
            requirement,
            unmet,
            would_deny,
            caller: found.caller.as_ref().map(|caller| auditor.caller(caller)),
            policy: *policy,
            txn: found.transaction.as_ref().map(|transaction| event::name(transaction.id())),
            trace_id: trace.map(|trace| trace.trace_id().to_owned()),
            parent_id: trace.map(|trace| trace.parent_id().to_owned()),
            duration: auditor.clock.elapsed().saturating_sub(*began),
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrailOwner {
    /// Takes over the event of the request with these extensions, if nobody has.
    #[cold]
    pub(crate) fn claim(extensions: &Extensions) -> Option<Self> {
        let trail = Trail::of(extensions)?;
        let had_owner = std::mem::replace(&mut trail.found().has_owner, true);
        (!had_owner).then(|| TrailOwner(trail.clone()))
    }

    /// Writes the event with the status of the response, unless the request was handed back.
    #[cold]
    pub(crate) fn finish<B>(self, response: &Response<B>) {
        let TrailOwner(trail) = &self;
        let mut found = trail.found();
        if !found.has_owner {
            found.is_left_to_another = true;
            return;
        }
        drop(found);
        let grpc_status = response.headers().get("grpc-status");
        let grpc_status = grpc_status.and_then(|status| status.to_str().ok()?.parse().ok());
        trail.write(Some(response.status().as_u16()), grpc_status);
    }
}

/// Without a response: the client has left, or the inner service failed.
impl Drop for TrailOwner {
    fn drop(&mut self) {
        let TrailOwner(trail) = self;
        if !std::mem::take(&mut trail.found().is_left_to_another) {
            trail.write(None, None); // nothing, if the event is written
        }
    }
}
