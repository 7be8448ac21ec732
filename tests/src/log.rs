//! What a service logged, as text.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// A subscriber that writes to it, from INFO on.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        self.subscriber_at(LevelFilter::INFO)
    }

    /// A subscriber that writes to it, from `level` on.
    pub fn subscriber_at(&self, level: LevelFilter) -> impl Subscriber + Send + Sync + 'static {
        crate::events::enable_events_on_every_thread();
        let writer = self.clone();
        tracing_subscriber::fmt().with_ansi(false).with_max_level(level).with_writer(move || writer.clone()).finish()
    }

    /// All that was written.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("unpoisoned").clone()).expect("text")
    }

    /// The lines that hold `words`.
    #[must_use]
    pub fn lines(&self, words: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
