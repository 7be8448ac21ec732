//! Prints what was asked and answered, and counts what is not as expected.

use std::time::Duration;

use crate::Result;
use crate::answers::Answer;
use crate::bundles::SERVICES;
use crate::command::Ended;

/// The results so far.
#[derive(Default)]
pub struct Report {
    checks: u32,
    failures: u32,
}

impl Report {
    pub fn step(&self, number: u32, title: &str) {
        println!("\n{number}. {title}");
    }

    /// Prints what happens.
    pub fn say(&self, what: &str) {
        println!("   {what}");
    }

    /// Prints what was asked, the answers of all instances, a line for each service, and the time until the last.
    pub fn answers(&mut self, asked: &str, answers: &[Answer]) {
        println!("   {asked}:");
        for service in SERVICES {
            let of_service = answers.iter().filter(|answer| answer.service == service);
            let cells = of_service.map(|answer| {
                let mark = if answer.is_expected { ' ' } else { '!' };
                let Answer { instance, found, after, .. } = answer;
                format!("{instance:<11}{found:>5}{mark}{:>5} ms", after.as_millis())
            });
            println!("      {}", cells.collect::<Vec<_>>().join("     "));
        }
        let last = answers.iter().map(|answer| answer.after).max().unwrap_or_default();
        let expected = answers.iter().filter(|answer| answer.is_expected).count();
        let count = answers.len();
        self.check(&format!("{expected} of {count} as expected, the last after {}", seconds(last)), expected == count);
    }

    /// Prints the output of a command that should exit with `code`, and print all of `parts`.
    pub fn command(&mut self, ended: &Ended, code: i32, parts: &[&str]) {
        println!("   $ {}", ended.typed);
        for line in ended.output.lines() {
            println!("{}", format!("      {line}").trim_end());
        }
        let missing = parts.iter().find(|part| !ended.output.contains(**part));
        let found = ended.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        match missing {
            None => self.check(&format!("exit code {found}"), ended.code == Some(code)),
            Some(part) => self.check(&format!("exit code {found}, and {part:?} is missing"), false),
        }
    }

    /// Prints a statement that should be true.
    pub fn check(&mut self, what: &str, holds: bool) {
        self.checks += 1;
        self.failures += u32::from(!holds);
        println!("   {} {what}", if holds { "ok" } else { "FAILED" });
    }

    /// Ends the scenario if a check has failed: the next step builds on this one.
    pub fn end_of_step(&self) -> Result<()> {
        if self.failures == 0 { Ok(()) } else { self.finish() }
    }

    pub fn finish(&self) -> Result<()> {
        println!("\n{} checks, {} failed", self.checks, self.failures);
        if self.failures == 0 { Ok(()) } else { Err(format!("{} checks failed", self.failures).into()) }
    }
}

/// A duration in words.
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
