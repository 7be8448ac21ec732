//! The checked-in counts of the bench `check`, and how new ones compare with them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde::Deserialize;

use crate::report::{Table, short};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// How many more instructions are accepted, in per cent.
const SLACK: f64 = 2.0;

/// How many more instructions are accepted of short paths: the compiler inlines and orders the same code a little differently
/// in another folder.
const SLACK_INSTRUCTIONS: f64 = 25.0;

/// What one call costs.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counts {
    /// None if they could not be counted here.
    pub instructions: Option<f64>,
    /// These have no slack: a call allocates the same everywhere.
    pub allocations: f64,
}

/// The content of `baseline.json`.
#[derive(Debug, Deserialize)]
pub struct Baseline {
    pub compiler: String,
    cases: BTreeMap<String, Counts>,
}

/// The outcome of a comparison.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Both counts of each case.
    pub table: String,
    pub better: Vec<String>,
    /// The check fails if there are any.
    pub worse: Vec<String>,
}

impl Baseline {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is missing or not of this form.
    pub fn read() -> Result<Self, String> {
        let text = fs::read(FILE).map_err(|error| format!("{FILE}: {error}; --write makes it"))?;
        serde_json::from_slice(&text).map_err(|error| format!("{FILE}: {error}; --write makes it again"))
    }

    /// Writes one case a line, so that a diff shows what changed.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(counts: &[(String, Counts)]) -> Result<(), String> {
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

    /// Compares these counts with the checked-in ones.
    ///
    /// A count of instructions is worse if it has grown by more than 2 % and by more than 25 instructions, and better if it has
    /// become as much smaller. A count of allocations is worse if it has grown at all. A case that only one of both has is worse.
    #[must_use]
    pub fn compare(&self, counts: &[(String, Counts)]) -> Verdict {
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
#[must_use]
pub fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "an unknown compiler".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fate of a case that had `before` and has `now`, each as instructions and allocations.
    fn verdict(before: (Option<f64>, f64), now: (Option<f64>, f64)) -> &'static str {
        let counts = |(instructions, allocations)| Counts { instructions, allocations };
        let cases = BTreeMap::from([("hit".to_owned(), counts(before))]);
        let verdict = Baseline { compiler: String::new(), cases }.compare(&[("hit".to_owned(), counts(now))]);
        match (&verdict.worse[..], &verdict.better[..]) {
            ([], []) => "same",
            ([name], []) if name == "hit" => "worse",
            ([], [name]) if name == "hit" => "better",
            both => panic!("{both:?}"),
        }
    }

    fn instructions(before: f64, now: f64) -> &'static str {
        verdict((Some(before), 0.0), (Some(now), 0.0))
    }

    #[test]
    fn a_short_path_may_grow_by_25_instructions() {
        assert_eq!(instructions(800.0, 824.0), "same"); // 3 %
        assert_eq!(instructions(800.0, 825.0), "same");
        assert_eq!(instructions(800.0, 826.0), "worse");
        assert_eq!(instructions(20.0, 44.0), "same"); // more than twice as many
        assert_eq!(instructions(0.0, 26.0), "worse");
    }

    #[test]
    fn a_long_path_may_grow_by_two_percent() {
        assert_eq!(instructions(10_000.0, 10_199.0), "same");
        assert_eq!(instructions(10_000.0, 10_200.0), "same");
        assert_eq!(instructions(10_000.0, 10_201.0), "worse");
    }

    #[test]
    fn a_path_that_shrinks_by_as_much_is_better() {
        assert_eq!(instructions(800.0, 775.0), "same");
        assert_eq!(instructions(800.0, 774.0), "better");
        assert_eq!(instructions(10_000.0, 9_800.0), "same");
        assert_eq!(instructions(10_000.0, 9_799.0), "better");
    }

    #[test]
    fn a_count_below_zero_is_compared_by_its_size() {
        assert_eq!(instructions(-100.0, -75.0), "same");
        assert_eq!(instructions(-100.0, -74.0), "worse");
        assert_eq!(instructions(-100.0, -126.0), "better");
    }

    #[test]
    fn allocations_have_no_slack() {
        assert_eq!(verdict((Some(800.0), 1.0), (Some(800.0), 1.1)), "worse");
        assert_eq!(verdict((Some(800.0), 1.0), (Some(100.0), 1.1)), "worse");
        assert_eq!(verdict((Some(800.0), 1.0), (Some(826.0), 0.0)), "worse");
        assert_eq!(verdict((Some(800.0), 1.0), (Some(824.0), 0.0)), "better");
    }

    #[test]
    fn without_instructions_only_allocations_are_compared() {
        assert_eq!(verdict((Some(800.0), 0.0), (None, 0.0)), "same");
        assert_eq!(verdict((Some(800.0), 0.0), (None, 1.0)), "worse");
    }

    #[test]
    fn a_case_that_only_one_of_both_has_fails() {
        let counts = Counts { instructions: Some(800.0), allocations: 0.0 };
        let baseline = Baseline { compiler: String::new(), cases: BTreeMap::from([("old".to_owned(), counts)]) };
        let worse = baseline.compare(&[("new".to_owned(), counts)]).worse;
        assert_eq!(worse, ["new (not in the baseline)", "old (only in the baseline)"]);
    }
}
