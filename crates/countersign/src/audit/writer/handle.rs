//! The writer as services hold it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::ConfigError;

use super::output::{LogFile, Output};
use super::queue::Queue;
use super::thread;
use crate::audit::event::AuditEvent;
use crate::audit::sink::AuditSink;

/// The most bytes of lines that wait to be written. Others are dropped and counted.
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;

/// The longest wait for lines that are not written yet, when the last handle is dropped.
const FLUSH_AT_END: Duration = Duration::from_millis(500);

/// Writes audit events as lines of JSON, on a thread of its own: a slow disk or reader holds no request up.
///
/// At most 8 MiB of lines wait, of which those about callers that were not authenticated take at most half: a flood of bad
/// tokens leaves room for the others. A line that finds no room is dropped. The writer counts it, and says so in a line of
/// its own with the `type` `countersign.audit.dropped`.
///
/// Clones write to the same place. The last one writes what is left when it is dropped, for at most half a second; call
/// [`flush`](Self::flush) at the end of `main` to wait longer.
///
/// ```
/// use countersign::audit::{AuditLog, AuditWriter};
///
/// let writer = AuditWriter::new(std::io::stdout())?;
/// let log = AuditLog::new("orders", writer.clone());
/// assert_eq!(writer.dropped(), 0);
/// # let _ = log;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct AuditWriter(Arc<Handle>);

struct Handle(Arc<Queue>);

impl AuditWriter {
    /// Writes to `output`, such as standard output.
    ///
    /// # Errors
    /// `ConfigError` on `audit_writer` if the system gives no thread.
    pub fn new(output: impl Write + Send + 'static) -> Result<Self, ConfigError> {
        Self::start(Output::Any(Box::new(output)), MAX_QUEUED_BYTES)
    }

    /// Appends to a file, which is created if need be, for its owner only. A file that was renamed or removed, as log rotation
    /// does, is opened again under its name before the next lines are written.
    ///
    /// # Errors
    /// `ConfigError` on `audit_file` if the file cannot be opened or is not a regular one, and on `audit_writer` if the system
    /// gives no thread.
    pub fn with_file(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let path = path.into();
        let file = LogFile::open(path.clone()).map_err(|error| {
            let problem = format!("{} cannot be opened: {error}", path.display());
            ConfigError::new("audit_file", problem)
        })?;
        Self::start(Output::File(file), MAX_QUEUED_BYTES)
    }

    fn start(output: Output, max_bytes: usize) -> Result<Self, ConfigError> {
        let queue = Arc::new(Queue::new(max_bytes));
        thread::start(Arc::clone(&queue), output)
            .map_err(|error| ConfigError::new("audit_writer", format!("no thread can be started: {error}")))?;
        Ok(AuditWriter(Arc::new(Handle(queue))))
    }

    /// Waits until the lines that were recorded before this call are written, and dropped ones reported, for at most `limit`,
    /// and returns whether they are. It blocks its thread.
    pub fn flush(&self, limit: Duration) -> bool {
        self.0.0.flush(limit)
    }

    /// The number of events that found no room since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.0.dropped().iter().sum()
    }

    /// The number of lines that were handed to the file or the output since the start.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.0.written()
    }

    /// The number of lines that could not be written since the start, for example to a full disk.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.0.failed()
    }
}

impl AuditSink for AuditWriter {
    fn record(&self, event: &AuditEvent) {
        let mut line = Vec::with_capacity(1024);
        // Only strings and numbers, so it cannot fail.
        if serde_json::to_writer(&mut line, event).is_ok() {
            line.push(b'\n');
            self.0.0.add(line, event.caller.is_some());
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.flush(FLUSH_AT_END);
        self.0.close();
    }
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut form = f.debug_struct("AuditWriter");
        form.field("written", &self.written())
            .field("dropped", &self.dropped())
            .field("failed", &self.failed())
            .finish()
    }
}

#[cfg(test)]
mod tests;
