//! One line of a log: an audit event, in either of its forms, or something else.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The `type` of an audit event in a file of JSON lines.
const EVENT: &str = "countersign.audit";

/// The `type` of a line that says how many events were dropped.
const DROPPED: &str = "countersign.audit.dropped";

/// The target of an audit event through `tracing`.
const TARGET: &str = "countersign::audit";

/// The outcomes of events.
const OUTCOMES: [&str; 5] = ["allowed", "denied", "refused", "unavailable", "error"];

/// The texts of lines that should be readable.
const MARKS: [&str; 2] = ["\"countersign.audit", "\"countersign::audit\""];

/// Every line of interest has this text.
const MARK: &str = "countersign";

/// A line.
#[derive(Debug)]
pub(super) enum Line {
    Event(Box<Event>, Form),
    /// So many events were dropped by the writer before this line.
    Dropped(u64),
    /// JSON of another kind.
    Other,
    /// No JSON, or an audit event that lacks a part or has it in another form.
    Unreadable,
}

/// The form of an event: a service may write both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    JsonLine,
    Tracing,
}

/// An audit event as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// Microseconds since 1970.
    pub(super) time_us: i64,
    pub(super) service: String,
    pub(super) service_client: Option<String>,
    pub(super) service_client_issuer: Option<String>,
    pub(super) outcome: String,
    pub(super) code: String,
    pub(super) status: Option<u16>,
    pub(super) grpc_status: Option<u8>,
    pub(super) method: String,
    pub(super) route: Option<String>,
    pub(super) requirement: Option<String>,
    pub(super) unmet: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) client: Option<String>,
    /// The outermost actor.
    pub(super) actor: Option<String>,
    pub(super) txn: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) span_id: Option<String>,
    pub(super) duration_us: u64,
}

impl Event {
    /// Returns whether the request reached its handler.
    pub(super) fn is_allowed(&self) -> bool {
        self.outcome == "allowed"
    }

    /// The name by which this service calls others.
    pub(super) fn name_as_client(&self) -> &str {
        self.service_client.as_deref().unwrap_or(&self.service)
    }

    /// Returns whether a token of this issuer may be one of this service's own.
    pub(super) fn may_call_with_tokens_of(&self, issuer: Option<&str>) -> bool {
        self.service_client_issuer.as_deref().is_none_or(|own| Some(own) == issuer)
    }

    /// The name of the party that called: the client of its token, or the outermost actor.
    pub(super) fn caller(&self) -> Option<&str> {
        self.client.as_deref().or(self.actor.as_deref())
    }
}

impl Line {
    pub(super) fn read(text: &str) -> Self {
        if !text.contains(MARK) {
            return if serde_json::from_str::<IgnoredAny>(text).is_ok() { Line::Other } else { Line::Unreadable };
        }
        let Ok(record) = serde_json::from_str::<Record>(text) else {
            let is_other =
                serde_json::from_str::<IgnoredAny>(text).is_ok() && !MARKS.iter().any(|mark| text.contains(mark));
            return if is_other { Line::Other } else { Line::Unreadable };
        };
        let (fields, form) = match (record.kind.as_deref(), record.target.as_deref()) {
            (Some(EVENT), _) => (record.own, Form::JsonLine),
            (Some(DROPPED), _) => return record.dropped.map_or(Line::Unreadable, Line::Dropped),
            (_, Some(TARGET)) => (record.fields.unwrap_or(record.own), Form::Tracing),
            _ => return Line::Other,
        };
        let span_id = record.span.and_then(|span| span.span_id);
        fields.event(span_id).map_or(Line::Unreadable, |event| Line::Event(Box::new(event), form))
    }
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: Option<String>,
    target: Option<String>,
    dropped: Option<u64>,
    /// By `tracing-subscriber`, unless it writes them at the top.
    fields: Option<Fields>,
    span: Option<Span>,
    #[serde(flatten)]
    own: Fields,
}

#[derive(Deserialize)]
struct Span {
    span_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Fields {
    time: Option<String>,
    service: Option<String>,
    service_client: Option<String>,
    service_client_issuer: Option<String>,
    outcome: Option<String>,
    code: Option<String>,
    status: Option<u16>,
    grpc_status: Option<u8>,
    method: Option<String>,
    route: Option<String>,
    requirement: Option<String>,
    unmet: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    client: Option<String>,
    actors: Option<Actors>,
    txn: Option<String>,
    trace_id: Option<String>,
    parent_id: Option<String>,
    span_id: Option<String>,
    duration_us: Option<u64>,
}

/// A list, or its JSON as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Actors {
    List(Vec<Actor>),
    Text(String),
}

#[derive(Deserialize)]
struct Actor {
    subject: String,
}

impl Actors {
    fn outermost(self) -> Option<String> {
        let list = match self {
            Actors::List(list) => list,
            Actors::Text(text) => serde_json::from_str(&text).ok()?,
        };
        list.into_iter().next().map(|actor| actor.subject)
    }
}

impl Fields {
    fn event(self, span_id: Option<String>) -> Option<Event> {
        Some(Event {
            time_us: self.time?.parse::<Timestamp>().ok()?.as_microsecond(),
            service: self.service?,
            service_client: self.service_client,
            service_client_issuer: self.service_client_issuer,
            outcome: self.outcome.filter(|outcome| OUTCOMES.contains(&outcome.as_str()))?,
            code: self.code?,
            status: self.status,
            grpc_status: self.grpc_status,
            method: self.method?,
            route: self.route,
            requirement: self.requirement,
            unmet: self.unmet,
            issuer: self.issuer,
            subject: self.subject,
            client: self.client,
            actor: self.actors.and_then(Actors::outermost),
            txn: self.txn,
            trace_id: self.trace_id,
            parent_id: self.parent_id,
            span_id: self.span_id.or(span_id),
            duration_us: self.duration_us.unwrap_or_default(),
        })
    }
}
