//! Verification of many tokens, one per line, reported in order.

use std::io::{BufRead, BufWriter, Write};

use countersign::verify::{Report, Verifier};

use super::report;
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::verification::{Session, report_without_waiting};

/// Number of lines verified at a time.
const CHUNK: usize = 2048;

/// The bytes after which a chunk ends, so that long lines take no more memory.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// Reports on every line of `reader`.
pub(super) fn run(session: &mut Session, mut reader: Box<dyn BufRead>) -> Outcome {
    let mut output = BufWriter::new(std::io::stdout().lock());
    loop {
        let tokens = chunk(&mut *reader)?;
        if tokens.is_empty() {
            output.flush()?;
            return Ok(Exit::Done); // every line has a report, accepted or not
        }
        for report in answers(session, &tokens) {
            writeln!(output, "{}", report::json(&report)?)?;
        }
        output.flush()?; // a reader that waits for this chunk gets it
    }
}

fn chunk(reader: &mut dyn BufRead) -> Result<Vec<String>, Failure> {
    let (mut tokens, mut bytes) = (Vec::new(), 0_usize);
    while tokens.len() < CHUNK && bytes < CHUNK_BYTES {
        match input::next_line(reader)? {
            Some(line) => {
                bytes = bytes.saturating_add(line.len());
                tokens.push(line);
            }
            None => break,
        }
    }
    Ok(tokens)
}

/// Verifies in parallel what does not wait for keys, and the rest in sequence.
fn answers(session: &mut Session, tokens: &[String]) -> Vec<Report> {
    let at_once = if session.has_one_verifier() && !session.has_status_lists() {
        in_parallel(session, tokens)
    } else {
        tokens.iter().map(|_| None).collect()
    };
    at_once.into_iter().zip(tokens).map(|(report, token)| report.unwrap_or_else(|| session.report(token))).collect()
}

fn in_parallel(session: &mut Session, tokens: &[String]) -> Vec<Option<Report>> {
    let verifier: Verifier = session.verifier_for("");
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = tokens.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = tokens
            .chunks(share)
            .map(|part| {
                let verifier = &verifier;
                let work = move || part.iter().map(|token| report_without_waiting(verifier, token)).collect();
                (scope.spawn(work), part.len())
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|(worker, length)| {
                let part: Vec<Option<Report>> =
                    worker.join().unwrap_or_else(|_| std::iter::repeat_with(|| None).take(length).collect());
                part
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_04_a_chunk_ends_at_its_bytes_or_its_lines() {
        let long = format!("{}\n", "x".repeat(1 << 20)).repeat(20);
        let chunks = |text: String| {
            let mut reader = std::io::Cursor::new(text);
            std::iter::from_fn(|| Some(chunk(&mut reader).expect("read").len()).filter(|lines| *lines > 0))
                .collect::<Vec<_>>()
        };
        assert_eq!(chunks(long), [8, 8, 4]);
        assert_eq!(chunks("x\n".repeat(3000)), [2048, 952]);
    }
}
