//! Every event and span of this project's crates, with its fields, as this thread's subscriber.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One event with its fields.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub target: &'static str,
    pub level: Level,
    pub fields: BTreeMap<&'static str, String>,
}

impl Recorded {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// One span with its fields, as they are at its end.
#[derive(Clone, Debug)]
pub struct RecordedSpan {
    pub id: u64,
    /// The span within which it was opened.
    pub parent: Option<u64>,
    pub target: &'static str,
    pub level: Level,
    pub name: &'static str,
    pub fields: BTreeMap<&'static str, String>,
    pub is_closed: bool,
}

impl RecordedSpan {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The events and spans of this thread since the recorder began.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Recorded>>>, Arc<Mutex<Vec<RecordedSpan>>>);

impl Recorder {
    pub fn begin() -> (Self, DefaultGuard) {
        countersign_tests::events::enable_events_on_every_thread();
        let recorder = Recorder::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(recorder.clone()));
        (recorder, guard)
    }

    /// Takes the events of `target`.
    pub fn take(&self, target: &str) -> Vec<Recorded> {
        let mut events = self.0.lock().expect("unpoisoned");
        let (taken, left) = events.drain(..).partition(|event| event.target == target);
        *events = left;
        taken
    }

    /// Takes the spans that have ended, in the order of their begin.
    pub fn take_spans(&self) -> Vec<RecordedSpan> {
        let mut spans = self.1.lock().expect("unpoisoned");
        let (taken, left) = spans.drain(..).partition(|span| span.is_closed);
        *spans = left;
        taken
    }

    fn change_span(&self, id: &Id, change: impl FnOnce(&mut RecordedSpan)) {
        let mut spans = self.1.lock().expect("unpoisoned");
        // Ids are used again: the latest counts.
        spans.iter_mut().rev().find(|span| span.id == id.into_u64() && !span.is_closed).map(change);
    }

    pub fn all(&self) -> Vec<Recorded> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target().starts_with("countersign") {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            let parent = context.span(id).and_then(|span| Some(span.parent()?.id().into_u64()));
            let (target, level, name) = (metadata.target(), *metadata.level(), metadata.name());
            let (id, fields) = (id.into_u64(), fields.0);
            let span = RecordedSpan { id, parent, target, level, name, fields, is_closed: false };
            self.1.lock().expect("unpoisoned").push(span);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.change_span(id, |span| span.fields.extend(fields.0));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change_span(&id, |span| span.is_closed = true);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("countersign") {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let metadata = event.metadata();
            let recorded = Recorded { target: metadata.target(), level: *event.metadata().level(), fields: fields.0 };
            self.0.lock().expect("unpoisoned").push(recorded);
        }
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
