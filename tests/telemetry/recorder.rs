//! Every event of this project's crates, with its fields, as this thread's subscriber.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// One event with its fields.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub target: &'static str,
    pub fields: BTreeMap<&'static str, String>,
}

impl Recorded {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The events of this thread since the recorder began.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Recorded>>>);

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

    pub fn all(&self) -> Vec<Recorded> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("countersign") {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let metadata = event.metadata();
            let recorded = Recorded { target: metadata.target(), fields: fields.0 };
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
