//! The checked-in counts, and how new ones compare with them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use countersign_benches::report::{Table, short};
use serde::Deserialize;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// How many more instructions are accepted, in per cent.
const SLACK: f64 = 2.0;

/// How many more instructions are accepted of short paths: the compiler inlines and orders the same code a little differently
/// in another folder.
const SLACK_INSTRUCTIONS: f64 = 25.0;

/// What one call costs.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Counts {
    /// None if they could not be counted here.
    pub(crate) instructions: Option<f64>,
    /// These have no slack: a call allocates the same everywhere.
    pub(crate) allocations: f64,
}

/// The content of `baseline.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) compiler: String,
    cases: BTreeMap<String, Counts>,
}

/// The outcome of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) table: String,
    pub(crate) better: Vec<String>,
    /// The check fails if there are any.
    pub(crate) worse: Vec<String>,
}

impl Baseline {
    pub(crate) fn read() -> Result<Self, String> {
        let text = fs::read(FILE).map_err(|error| format!("{FILE}: {error}; --write makes it"))?;
        serde_json::from_slice(&text).map_err(|error| format!("{FILE}: {error}; --write makes it again"))
    }

    /// Writes one case a line, so that a diff shows what changed.
    pub(crate) fn write(counts: &[(String, Counts)]) -> Result<(), String> {
        let line = |(name, counts): &(String, Counts)| {
            let (instructions, allocations) = (counts.instructions.unwrap_or(f64::NAN), counts.allocations);
            format!(r#"    "{name}": {{ "instructions": {instructions}, "allocations": {allocations} }}"#)
        };
        let cases = counts.iter().map(line).collect::<Vec<_>>().join(",\n");
        let text = format!("{{\n  \"compiler\": \"{}\",\n  \"cases\": {{\n{cases}\n  }}\n}}\n", compiler());
        fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))?;
        println!("written: {FILE}");
        Ok(())
    }

    pub(crate) fn compare(&self, counts: &[(String, Counts)]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut rows = Vec::new();
        for (name, now) in counts {
            let Some(before) = self.cases.get(name) else {
                verdict.worse.push(format!("{name} (not in the baseline)"));
                continue;
            };
            // A count is below zero if the path costs less than what is subtracted.
            let both = now.instructions.zip(before.instructions);
            let difference = both.map(|(now, before): (f64, f64)| 100.0 * (now - before) / before.abs());
            let is_large = both.is_some_and(|(now, before)| (now - before).abs() > SLACK_INSTRUCTIONS);
            let percent = difference.filter(|_| is_large).unwrap_or(0.0);
            if percent > SLACK || now.allocations > before.allocations {
                verdict.worse.push(name.clone());
            } else if percent < -SLACK || now.allocations < before.allocations {
                verdict.better.push(name.clone());
            }
            let count = |counts: &Counts| counts.instructions.map_or_else(String::new, |count| format!("{count:.0}"));
            rows.push(vec![
                name.clone(),
                count(before),
                count(now),
                difference.map_or_else(String::new, |percent| format!("{percent:+.2}")),
                short(before.allocations),
                short(now.allocations),
            ]);
        }
        let gone = self.cases.keys().filter(|name| counts.iter().all(|(case, _)| case != *name));
        verdict.worse.extend(gone.map(|name| format!("{name} (only in the baseline)")));
        let head = ["a call of", "instructions without aws-lc, baseline", "now", "%", "allocations, baseline", "now"];
        let head = head.map(Into::into).to_vec();
        verdict.table = Table { title: String::new(), note: String::new(), head, rows }.aligned();
        verdict
    }
}

/// The compiler's name and version: another one may make other instructions of the same code.
pub(crate) fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "an unknown compiler".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
