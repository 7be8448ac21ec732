//! Many tokens, one a line, answered in order.

use std::io::{BufRead, BufWriter, Write};

use countersign::verify::{Report, Verifier};

use super::judge::{Judge, report_at_once};
use super::report;
use crate::exit::{Exit, Failure, Outcome};
use crate::input;

/// How many lines are judged at a time.
const CHUNK: usize = 2048;

/// Answers every line of `reader`.
pub(super) fn run(judge: &mut Judge, mut reader: Box<dyn BufRead>) -> Outcome {
    let mut output = BufWriter::new(std::io::stdout().lock());
    loop {
        let tokens = chunk(&mut *reader)?;
        if tokens.is_empty() {
            output.flush()?;
            return Ok(Exit::Done); // every line has its answer, whatever it says
        }
        for report in answers(judge, &tokens) {
            writeln!(output, "{}", report::json(&report)?)?;
        }
        output.flush()?; // whoever waits for a chunk gets it
    }
}

fn chunk(reader: &mut dyn BufRead) -> Result<Vec<String>, Failure> {
    let mut tokens = Vec::new();
    while tokens.len() < CHUNK {
        match input::next_line(reader)? {
            Some(line) => tokens.push(line),
            None => break,
        }
    }
    Ok(tokens)
}

/// Judges on every core what needs no waiting, and the rest one after the other.
fn answers(judge: &mut Judge, tokens: &[String]) -> Vec<Report> {
    let at_once = if judge.is_one() { in_parallel(judge, tokens) } else { tokens.iter().map(|_| None).collect() };
    at_once.into_iter().zip(tokens).map(|(report, token)| report.unwrap_or_else(|| judge.report(token))).collect()
}

fn in_parallel(judge: &mut Judge, tokens: &[String]) -> Vec<Option<Report>> {
    let verifier: Verifier = judge.verifier_for("");
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = tokens.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = tokens
            .chunks(share)
            .map(|part| {
                let verifier = &verifier;
                let work = move || part.iter().map(|token| report_at_once(verifier, token)).collect();
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
