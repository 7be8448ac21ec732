//! The log on standard error, written by a thread of its own: a reader that stops holds nobody up.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::exit::Failure;

/// The most bytes of lines that wait to be written. Others are dropped and counted.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// The longest wait at the end for lines that are not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Starts the log of this process. Lines that are still waiting are written when the guard is dropped.
pub(crate) fn start() -> Result<LogGuard, Failure> {
    let lines = Arc::new(Lines::default());
    let writer = Writer(Arc::clone(&lines));
    let thread = thread::Builder::new().name("log".to_owned());
    let started = thread.spawn({
        let lines = Arc::clone(&lines);
        move || lines.write_all(io::stderr())
    });
    started.map_err(|error| Failure::usage(format!("the log cannot be written: {error}")))?;
    tracing_subscriber::fmt().with_writer(writer).with_ansi(false).init();
    Ok(LogGuard(lines))
}

/// Writes what is left of the log when it is dropped, if the reader takes it soon.
#[derive(Debug)]
pub(crate) struct LogGuard(Arc<Lines>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush(FLUSH_TIMEOUT);
    }
}

/// The lines between those who log and the thread that writes.
#[derive(Debug, Default)]
struct Lines {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The lines that found no room since the last write.
    dropped: u64,
    is_writing: bool,
}

impl Lines {
    fn add(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        let bytes = waiting.bytes.saturating_add(line.len());
        if bytes > MAX_WAITING_BYTES {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes = bytes;
        waiting.lines.push_back(line.to_vec());
        self.changed.notify_all();
    }

    /// Writes each line as it comes.
    fn write_all(&self, mut output: impl Write) {
        loop {
            let (line, dropped) = self.next();
            // Nobody is left to hear of an error.
            let _ = output.write_all(&line);
            if dropped > 0 {
                let notice = format!("countersign: {dropped} lines of the log were dropped: its reader is too slow\n");
                let _ = output.write_all(notice.as_bytes());
            }
        }
    }

    /// Waits for the next line. Also returns how many were dropped since the last one.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut waiting = self.waiting();
        loop {
            waiting.is_writing = false;
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
                waiting.is_writing = true;
                return (line, std::mem::take(&mut waiting.dropped));
            }
            self.changed.notify_all();
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn flush(&self, limit: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        drop(self.changed.wait_timeout_while(self.waiting(), limit, is_busy));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a line for each event; it never waits for the reader.
struct Writer(Arc<Lines>);

impl MakeWriter<'_> for Writer {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(Arc::clone(&self.0))
    }
}

struct Line(Arc<Lines>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    /// A reader that goes on with the next write only when it may.
    struct Slow {
        read: mpsc::Sender<String>,
        may_go_on: mpsc::Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.read.send(String::from_utf8_lossy(bytes).into_owned());
            let _ = self.may_go_on.recv(); // once its sender is gone, nothing waits
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn s15_02_a_reader_that_stops_holds_nobody_up_and_learns_how_many_lines_are_missing() {
        const LINE_BYTES: usize = 1024;
        const FITTING: usize = MAX_WAITING_BYTES / LINE_BYTES;
        let (go_on, may_go_on) = mpsc::channel();
        let (read, heard) = mpsc::channel();
        let lines = Arc::new(Lines::default());
        let writing = Arc::clone(&lines);
        thread::spawn(move || writing.write_all(Slow { read, may_go_on }));
        let line = |n: usize| format!("{n:0>width$}\n", width = LINE_BYTES - 1);
        let log = |n| Line(Arc::clone(&lines)).write_all(line(n).as_bytes()).expect("it never fails");
        log(0);
        assert_eq!(heard.recv_timeout(SOON), Ok(line(0)));
        for n in 1..=3 * FITTING {
            log(n);
        }
        lines.flush(Duration::from_millis(1)); // gives up
        assert!(lines.waiting().bytes <= MAX_WAITING_BYTES);

        drop(go_on);
        lines.flush(SOON);
        let written: Vec<_> = heard.try_iter().collect();
        assert_eq!(written[0], line(1));
        let notice = format!("countersign: {} lines of the log were dropped: its reader is too slow\n", 2 * FITTING);
        assert_eq!(written[1], notice);
        assert_eq!(written[2..], (2..=FITTING).map(line).collect::<Vec<_>>());

        log(7);
        lines.flush(SOON);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [line(7)]);
    }
}
