//! The lines between the requests and the thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The memory of a waiting line beside its text, in bytes, about.
const LINE_OVERHEAD: usize = 64;

/// A queue of lines with a bound in bytes, which counts those that are being written too.
///
/// One short lock guards it: it is taken to append a line that is made already, and never while something is written.
#[derive(Debug)]
pub(super) struct Queue {
    max_bytes: usize,
    waiting: Mutex<Waiting>,
    /// Lines are there, or the queue is closed.
    filled: Condvar,
    /// Lines were written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    is_closed: bool,
    is_idle: bool,
    /// Without a caller, and with one.
    dropped: [u64; 2],
    /// The part of it that the thread has reported, or tried to.
    reported: [u64; 2],
    accepted: u64,
    written: u64,
    failed: u64,
}

/// The lines that the thread writes next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: VecDeque<Vec<u8>>,
    /// All lines that were dropped since the start: without a caller, and with one.
    pub(super) dropped: [u64; 2],
}

fn bytes_of(line: &[u8]) -> usize {
    line.len().saturating_add(LINE_OVERHEAD)
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Self {
        Queue { max_bytes, waiting: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Adds a line, or drops it if there is no room.
    pub(super) fn add(&self, line: Vec<u8>, has_caller: bool) {
        let mut waiting = self.waiting();
        let max_bytes = if has_caller { self.max_bytes } else { self.max_bytes / 2 };
        let bytes = waiting.bytes.saturating_add(bytes_of(&line));
        if waiting.is_closed || bytes > max_bytes {
            waiting.dropped[usize::from(has_caller)] += 1;
            return;
        }
        waiting.bytes = bytes;
        waiting.lines.push_back(line);
        waiting.accepted += 1;
        // A thread that writes looks again before it sleeps, so most lines wake nobody.
        if std::mem::take(&mut waiting.is_idle) {
            drop(waiting);
            self.filled.notify_one();
        }
    }

    /// Waits for lines, or for dropped ones that are not reported; `None` when the queue is closed and has neither.
    pub(super) fn next(&self) -> Option<Batch> {
        let mut waiting = self.waiting();
        loop {
            if !waiting.lines.is_empty() || waiting.dropped != waiting.reported {
                return Some(Batch { lines: std::mem::take(&mut waiting.lines), dropped: waiting.dropped });
            }
            if waiting.is_closed {
                return None;
            }
            waiting.is_idle = true;
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counts lines of a batch that were written, or not, and gives their room back.
    pub(super) fn done(&self, lines: &[Vec<u8>], is_written: bool) {
        let (count, bytes) = (lines.len() as u64, lines.iter().map(|line| bytes_of(line)).sum::<usize>());
        let mut waiting = self.waiting();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        *(if is_written { &mut waiting.written } else { &mut waiting.failed }) += count;
        drop(waiting);
        self.emptied.notify_all();
    }

    /// Notes that dropped lines were reported, or could not be: the next report has them.
    pub(super) fn reported(&self, dropped: [u64; 2]) {
        self.waiting().reported = dropped;
        self.emptied.notify_all();
    }

    pub(super) fn flush(&self, limit: Duration) -> bool {
        let waiting = self.waiting();
        let (accepted, dropped) = (waiting.accepted, waiting.dropped);
        let is_left = |waiting: &mut Waiting| {
            let has_said = waiting.reported.iter().zip(dropped).all(|(reported, dropped)| *reported >= dropped);
            waiting.written + waiting.failed < accepted || !has_said
        };
        let waited = self.emptied.wait_timeout_while(waiting, limit, is_left);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Ends the thread after what is left.
    pub(super) fn close(&self) {
        self.waiting().is_closed = true;
        self.filled.notify_one();
    }

    pub(super) fn dropped(&self) -> [u64; 2] {
        self.waiting().dropped
    }

    pub(super) fn written(&self) -> u64 {
        self.waiting().written
    }

    pub(super) fn failed(&self) -> u64 {
        self.waiting().failed
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
