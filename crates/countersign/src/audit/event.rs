//! The event.

use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::safe_text_within;
use countersign_core::policy::Fingerprint;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::outcome::AuditOutcome;
use super::time::Rfc3339;

/// The `type` of lines with an event.
const TYPE: &str = "countersign.audit";

/// The longest name in an event, in characters: of an issuer, a client, an actor, a route.
const MAX_NAME_CHARS: usize = 256;

/// The longest rule in an event, in characters.
const MAX_RULE_CHARS: usize = 1024;

/// The longest method in an event, in characters.
const MAX_METHOD_CHARS: usize = 32;

/// One decision about a request. Its JSON form is one object of one level, described in `docs/telemetry.md`.
///
/// No field holds a token, a key, a path, a query or a header's text. Text from tokens is printable ASCII and cut.
///
/// ```
/// use countersign::audit::{AuditEvent, AuditOutcome};
///
/// fn is_worth_a_page(event: &AuditEvent) -> bool {
///     event.outcome == AuditOutcome::Denied && event.route.as_deref() == Some("/admin/{*rest}")
/// }
/// # let _ = is_worth_a_page;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// The time at which the layer saw the request, by its clock.
    pub time: UnixTime,
    /// The name of the service, as configured.
    pub service: String,
    /// The client id with which the service calls others, as configured.
    pub service_client: Option<String>,
    /// The issuer of that client, as configured.
    pub service_client_issuer: Option<String>,
    /// The outcome.
    pub outcome: AuditOutcome,
    /// The exact code of the run book; `ok` if the request was allowed.
    pub code: &'static str,
    /// The status of the response; `None` if there was none, because the client left or the inner service failed.
    pub status: Option<u16>,
    /// The status of gRPC, if the headers of the response have one.
    pub grpc_status: Option<u8>,
    /// The method of HTTP; `MESSAGE` if it is a message of a queue.
    pub method: String,
    /// The pattern of the route, such as `/orders/{id}`, or the method of gRPC; never another path.
    pub route: Option<String>,
    /// The requirement that refused; if the request was allowed, those that it met.
    pub requirement: Option<String>,
    /// The unmet parts of that requirement.
    pub unmet: Option<String>,
    /// The requirements in shadow mode that would have refused.
    pub would_deny: Option<String>,
    /// The caller; `None` for an anonymous one, and for one that was not authenticated.
    pub caller: Option<AuditCaller>,
    /// The policy that was in force when the request came.
    pub policy: Fingerprint,
    /// The identifier of the transaction, from a verified transaction token.
    pub txn: Option<String>,
    /// The trace, by a well-formed `traceparent`. Anybody can write that header.
    pub trace_id: Option<String>,
    /// The caller's span, from the same header.
    pub parent_id: Option<String>,
    /// The time from the layer's first look at the request to the head of the response.
    pub duration: Duration,
}

/// The caller of a request; [`AuditEvent`] has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditCaller {
    /// The issuer of the token, which vouches for all other names here.
    pub issuer: String,
    /// The pseudonym of the subject, if the layer has [a key for it](crate::authenticate::AuthenticateLayerBuilder::log_subjects).
    pub subject: Option<String>,
    /// The client that the token was issued to.
    pub client: Option<String>,
    /// The parties that act for the subject, outermost first. The verifier accepts at most eight.
    pub actors: Vec<AuditActor>,
    /// The kind of credential: `signed`, `opaque` or `api_key`.
    pub credential: &'static str,
    /// The binding of the credential: `none` (a bearer), `key` (DPoP), `certificate` (mutual TLS), `key+certificate`.
    pub binding: &'static str,
}

/// One party that acts for the subject; [`AuditCaller`] has them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct AuditActor {
    /// Its name, or its pseudonym if the log is set so.
    pub subject: String,
    /// Its issuer, if the token names one (`act.iss`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

pub(super) fn name(foreign: &str) -> String {
    safe_text_within(foreign, MAX_NAME_CHARS)
}

/// A requirement's text, in which names are escaped already.
pub(super) fn rule(text: &str) -> String {
    let mut rule = String::with_capacity(text.len().min(MAX_RULE_CHARS));
    for (number, letter) in text.chars().enumerate() {
        match letter {
            _ if number == MAX_RULE_CHARS => {
                rule.push('…');
                break;
            }
            ' '..='~' => rule.push(letter),
            other => rule.extend(other.escape_default()),
        }
    }
    rule
}

pub(super) fn method(foreign: &str) -> String {
    safe_text_within(foreign, MAX_METHOD_CHARS)
}

impl AuditEvent {
    /// The event as one line of JSON, without the line's end.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // only strings and numbers, so it cannot fail
    }

    /// The duration in microseconds.
    pub(super) fn duration_us(&self) -> u64 {
        u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)
    }

    /// The fingerprint in hexadecimal.
    pub(super) fn policy_text(&self) -> String {
        let digits = self.policy.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut text = String::with_capacity(64);
        text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
        text
    }

    pub(super) fn time_text(&self) -> String {
        Rfc3339(self.time).to_string()
    }
}

/// As one object of one level; absent fields are left out.
impl Serialize for AuditEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("type", TYPE)?;
        line.serialize_entry("time", &format_args!("{}", Rfc3339(self.time)))?;
        line.serialize_entry("service", &self.service)?;
        some(&mut line, "service_client", self.service_client.as_ref())?;
        some(&mut line, "service_client_issuer", self.service_client_issuer.as_ref())?;
        line.serialize_entry("outcome", self.outcome.name())?;
        line.serialize_entry("code", self.code)?;
        some(&mut line, "status", self.status.as_ref())?;
        some(&mut line, "grpc_status", self.grpc_status.as_ref())?;
        line.serialize_entry("method", &self.method)?;
        some(&mut line, "route", self.route.as_ref())?;
        some(&mut line, "requirement", self.requirement.as_ref())?;
        some(&mut line, "unmet", self.unmet.as_ref())?;
        some(&mut line, "would_deny", self.would_deny.as_ref())?;
        if let Some(caller) = &self.caller {
            line.serialize_entry("issuer", &caller.issuer)?;
            some(&mut line, "subject", caller.subject.as_ref())?;
            some(&mut line, "client", caller.client.as_ref())?;
            some(&mut line, "actors", Some(&caller.actors).filter(|actors| !actors.is_empty()))?;
            line.serialize_entry("credential", caller.credential)?;
            line.serialize_entry("binding", caller.binding)?;
        }
        line.serialize_entry("policy", &self.policy_text())?;
        some(&mut line, "txn", self.txn.as_ref())?;
        some(&mut line, "trace_id", self.trace_id.as_ref())?;
        some(&mut line, "parent_id", self.parent_id.as_ref())?;
        line.serialize_entry("duration_us", &self.duration_us())?;
        line.end()
    }
}

fn some<M: SerializeMap, T: Serialize>(line: &mut M, name: &'static str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| line.serialize_entry(name, value))
}
