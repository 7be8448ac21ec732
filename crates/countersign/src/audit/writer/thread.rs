//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::thread;

use countersign_core::clock::{Clock, SystemClock};
use serde_json::json;

use super::output::Output;
use super::queue::Queue;
use crate::audit::time::Rfc3339;
use crate::telemetry;

/// The most bytes of one write, except for a longer line.
const CHUNK_BYTES: usize = 64 * 1024;

/// The thread ends when the queue is closed.
pub(super) fn start(queue: Arc<Queue>, output: Output) -> io::Result<()> {
    thread::Builder::new().name("audit".to_owned()).spawn(move || write_all(&queue, output)).map(drop)
}

fn write_all(queue: &Queue, mut output: Output) {
    let (mut announced, mut failures) = ([0; 2], telemetry::AuditFailures::default());
    while let Some(mut batch) = queue.next() {
        while !batch.lines.is_empty() {
            let (mut bytes, mut count) = (0, 0);
            for line in &batch.lines {
                if count > 0 && bytes + line.len() > CHUNK_BYTES {
                    break;
                }
                (bytes, count) = (bytes + line.len(), count + 1);
            }
            let chunk: Vec<Vec<u8>> = batch.lines.drain(..count).collect();
            let result = output.write(&chunk.concat(), &mut failures);
            queue.done(&chunk, result.is_ok());
            failures.written(result, SystemClock.elapsed());
        }
        if batch.dropped != announced {
            // They were dropped while the lines before were waiting.
            let result = output.write(&notice(announced, batch.dropped), &mut failures);
            if result.is_ok() {
                announced = batch.dropped;
            }
            failures.written(result, SystemClock.elapsed());
            queue.reported(batch.dropped);
        }
    }
}

/// A line that says how many events are missing before it.
fn notice(announced: [u64; 2], dropped: [u64; 2]) -> Vec<u8> {
    let [without_caller, with_caller] = [0, 1].map(|kind| dropped[kind].saturating_sub(announced[kind]));
    let notice = json!({
        "type": "countersign.audit.dropped",
        "time": Rfc3339(SystemClock.now()).to_string(),
        "dropped": without_caller.saturating_add(with_caller),
        "dropped_without_caller": without_caller,
        "dropped_since_start": dropped[0].saturating_add(dropped[1]),
    });
    format!("{notice}\n").into_bytes()
}
