//! The audit log of a service, and that of a layer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::policy::Fingerprint;
use countersign_core::pseudonym::Pseudonyms;
use countersign_core::verify::{Verified, Verifier};

use super::actors::actors;
use super::event::{self, AuditActor, AuditCaller, AuditEvent};
use super::sink::AuditSink;
use crate::telemetry;

/// The longest name of a service, in bytes.
const MAX_SERVICE_BYTES: usize = 128;

/// The audit log of a service: its name, what is recorded, and where to. [`audit`](crate::audit) has an example.
///
/// Refused and denied requests are always recorded. A layer takes it by
/// [`AuthenticateLayerBuilder::audit`](crate::authenticate::AuthenticateLayerBuilder::audit).
#[derive(Clone, Debug)]
#[must_use = "give it to the layer"]
pub struct AuditLog {
    service: String,
    service_client: Option<String>,
    client_issuer: Option<String>,
    sinks: Vec<Arc<dyn AuditSink>>,
    pub(super) records_allowed: bool,
    pub(super) records_anonymous: bool,
    has_raw_subjects: bool,
    has_actor_pseudonyms: bool,
}

impl AuditLog {
    /// The log of the service with this name. All its instances have the same.
    pub fn new(service: impl Into<String>, sink: impl AuditSink) -> Self {
        AuditLog {
            service: service.into(),
            service_client: None,
            client_issuer: None,
            sinks: vec![Arc::new(sink)],
            records_allowed: false,
            records_anonymous: false,
            has_raw_subjects: false,
            has_actor_pseudonyms: false,
        }
    }

    /// Sends events to this sink too.
    pub fn add_sink(mut self, sink: impl AuditSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Sets the client id that the tokens of this service's own calls name. `countersign trace` finds the caller of a service
    /// by it.
    pub fn client_id(mut self, client: impl Into<String>) -> Self {
        self.service_client = Some(event::name(&client.into()));
        self
    }

    /// Sets the issuer of those tokens, if others may have a client of the same name.
    pub fn client_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.client_issuer = Some(event::name(&issuer.into()));
        self
    }

    /// Records allowed requests of authenticated callers too. Default: only those that are not allowed.
    pub fn allowed(mut self) -> Self {
        self.records_allowed = true;
        self
    }

    /// Records allowed requests of anonymous callers too, such as those of public paths. Default: none of them.
    pub fn anonymous(mut self) -> Self {
        self.records_anonymous = true;
        self
    }

    /// Writes pseudonyms of actors in place of their names, for deployments in which people act for people. Default: names,
    /// because services act for people. Without a key for pseudonyms, actors are left out.
    pub fn actor_pseudonyms(mut self) -> Self {
        self.has_actor_pseudonyms = true;
        self
    }

    pub(super) fn with_raw_subjects(mut self) -> Self {
        self.has_raw_subjects = true;
        self
    }

    /// The faults of a layer with this log.
    pub(crate) fn faults(&self, denies_danger: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let is_fine = !self.service.is_empty() && self.service.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_fine || self.service.len() > MAX_SERVICE_BYTES {
            let problem =
                "the name of the service is empty, longer than 128 bytes, or not printable ASCII without spaces";
            faults.push(Fault::new("audit", problem));
        }
        if self.has_raw_subjects && denies_danger {
            let problem = "audit events name subjects as they are, and deny_danger forbids it; use log_subjects";
            faults.push(Fault::new("danger", problem));
        }
        faults
    }
}

/// The audit log of one layer.
#[derive(Debug)]
pub(crate) struct Auditor {
    pub(super) log: AuditLog,
    pub(super) clock: Arc<dyn Clock>,
    verifier: Verifier,
    subjects: Option<Pseudonyms>,
    failures: telemetry::Sampler,
}

impl Auditor {
    pub(crate) fn new(log: AuditLog, verifier: Verifier, subjects: Option<Pseudonyms>) -> Self {
        let clock = Arc::clone(verifier.clock());
        Auditor { log, clock, verifier, subjects, failures: telemetry::Sampler::new() }
    }

    /// The name of the service, its client and that client's issuer.
    pub(super) fn service(&self) -> (String, Option<String>, Option<String>) {
        let AuditLog { service, service_client, client_issuer, .. } = &self.log;
        (service.clone(), service_client.clone(), client_issuer.clone())
    }

    /// The policy that is in force.
    pub(super) fn policy(&self) -> Fingerprint {
        self.verifier.fingerprint()
    }

    /// The caller as events name it.
    pub(super) fn caller(&self, verified: &Verified) -> AuditCaller {
        let issuer = verified.issuer();
        let pseudonym =
            |issuer: &str, subject: &str| self.subjects.as_ref().map(|subjects| subjects.pseudonym(issuer, subject));
        let subject = match self.log.has_raw_subjects {
            true => Some(event::name(verified.subject())),
            false => pseudonym(issuer, verified.subject()),
        };
        let actors = actors(verified).into_iter().filter_map(|(name, actor_issuer)| {
            let names_the_subject = name == verified.subject() && !self.log.has_raw_subjects;
            let subject = match self.log.has_actor_pseudonyms || names_the_subject {
                true => pseudonym(actor_issuer.as_deref().unwrap_or(issuer), &name)?,
                false => event::name(&name),
            };
            Some(AuditActor { subject, issuer: actor_issuer.as_deref().map(event::name) })
        });
        let binding = verified.binding().map(|binding| (binding.key().is_some(), binding.certificate().is_some()));
        AuditCaller {
            issuer: event::name(issuer),
            subject,
            client: verified.client_id().map(event::name),
            actors: actors.collect(),
            credential: verified.token_kind().name(),
            binding: match binding {
                Some((true, true)) => "key+certificate",
                Some((true, false)) => "key",
                Some((false, true)) => "certificate",
                Some((false, false)) | None => "none",
            },
        }
    }

    /// Hands an event to every sink. One that panics fails no request and takes no event from the others.
    pub(super) fn write(&self, event: &AuditEvent) {
        for sink in &self.log.sinks {
            if catch_unwind(AssertUnwindSafe(|| sink.record(event))).is_err() {
                telemetry::audit_sink_panicked(&self.failures, self.clock.elapsed());
            }
        }
    }
}
