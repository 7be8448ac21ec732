//! Every event of this project's crates, with its fields, as this thread's subscriber.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// One event as it was told.
#[derive(Clone, Debug)]
pub struct Told {
    pub target: &'static str,
    pub fields: BTreeMap<&'static str, String>,
}

impl Told {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// What was told on this thread since it began.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Told>>>);

impl Recorder {
    pub fn begin() -> (Self, DefaultGuard) {
        countersign_tests::events::heed_on_every_thread();
        let recorder = Recorder::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(recorder.clone()));
        (recorder, guard)
    }

    /// Takes what was told of `target`.
    pub fn take(&self, target: &str) -> Vec<Told> {
        let mut told = self.0.lock().expect("unpoisoned");
        let (taken, left) = told.drain(..).partition(|event| event.target == target);
        *told = left;
        taken
    }

    pub fn all(&self) -> Vec<Told> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("countersign") {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let metadata = event.metadata();
            let told = Told { target: metadata.target(), fields: fields.0 };
            self.0.lock().expect("unpoisoned").push(told);
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
