//! A sink that keeps what it gets, and the layer that writes to it.

use std::sync::{Arc, Mutex};

use countersign::audit::{AuditEvent, AuditLog, AuditSink};
use countersign::authenticate::{AuthenticateLayer, AuthenticateLayerBuilder};
use countersign::pseudonym::Pseudonyms;
use countersign::secret::Secret;
use countersign_test::{TestIssuer, TokenDraft};
use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<AuditEvent>>>);

impl AuditSink for Kept {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().expect("unpoisoned").push(event.clone());
    }
}

impl Kept {
    pub fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.0.lock().expect("unpoisoned"))
    }

    /// The events as their lines.
    pub fn lines(&self) -> Vec<Value> {
        self.take().iter().map(|event| serde_json::from_str(&event.to_json()).expect("JSON")).collect()
    }

    /// The only event, as its line.
    #[track_caller]
    pub fn line(&self) -> Value {
        let [line] = self.lines().try_into().expect("one event");
        line
    }

    pub fn log(&self) -> AuditLog {
        AuditLog::new("orders", self.clone()).client_id("orders-client")
    }
}

pub fn pseudonyms() -> Pseudonyms {
    Pseudonyms::new(&Secret::new(vec![7; 32])).expect("long enough")
}

pub fn builder(issuer: &TestIssuer, log: AuditLog) -> AuthenticateLayerBuilder {
    AuthenticateLayer::builder(issuer.verifier_for("api")).log_subjects(pseudonyms()).audit(log)
}

pub fn layer(issuer: &TestIssuer, log: AuditLog) -> AuthenticateLayer {
    builder(issuer, log).build().expect("a layer")
}

pub fn good(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().audience("api").subject("ann").client_id("web")
}
