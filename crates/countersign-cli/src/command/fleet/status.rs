//! `countersign fleet status`.

use clap::Args;
use serde_json::json;

use super::sources::{Expected, Found, Sources, print_unreachable};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};
use crate::plane::{Finding, Group, Instance, assess};
use crate::times;

/// The most instances that are all listed without `--all`.
const MAX_ROWS: usize = 20;

/// The letters of a fingerprint that are shown.
const SHOWN_LETTERS: usize = 12;

/// Show which instances have the policy that they should have.
///
/// Within each fleet (without bundles: within each service), that is the policy of --bundle, or else the highest revision, or else
/// what most have. Exit code 0 only if all agree; 3 if a report is missing and all others agree.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// List every instance, also of a large fleet
    #[arg(long)]
    all: bool,
    /// Print one JSON object: agree, groups, instances, unreachable
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let expected = self.sources.expected()?.map(|Expected { reference, .. }| reference);
        let Found { mut instances, unreachable } = self.sources.read(false)?;
        let groups = assess(&mut instances, expected.as_ref());
        let exit = match (instances.iter().all(Instance::agrees), unreachable.is_empty() && !instances.is_empty()) {
            (false, _) => Exit::Rejected,
            (true, true) => Exit::Done,
            (true, false) => Exit::Undecided,
        };
        if self.json {
            output::json(&json!({
                "agree": exit == Exit::Done,
                "groups": groups,
                "instances": instances,
                "unreachable": unreachable,
            }))?;
            return Ok(exit);
        }
        groups.iter().try_for_each(print_group)?;
        let is_listed = |instance: &&Instance| {
            self.all || groups.len() == 1 && instances.len() <= MAX_ROWS || !instance.findings.is_empty()
        };
        let listed: Vec<&Instance> = instances.iter().filter(is_listed).collect();
        print_table(&listed)?;
        print_unreachable(&unreachable)?;
        if instances.is_empty() {
            output::line("no reports")?;
        }
        Ok(exit)
    }
}

/// A line for the fleet, and one for each revision that is not the expected one.
fn print_group(group: &Group) -> Result<(), Failure> {
    let Group { name, expected, instances, agreeing, .. } = group;
    let tone = if agreeing == instances { Tone::Good } else { Tone::Bad };
    let by = group.issuer.as_ref().map(|issuer| format!(" of {}", output::word(issuer))).unwrap_or_default();
    let line = format!(
        "{}{by}: {agreeing} of {instances} agree on {}",
        output::word(name),
        in_force(expected.revision, &expected.fingerprint)
    );
    output::line(&toned(tone, &line))?;
    let others = group
        .in_force
        .iter()
        .filter(|one| (one.revision, &one.fingerprint) != (expected.revision, &expected.fingerprint));
    for one in others {
        let line = format!("  {} have {}", one.instances, in_force(one.revision, &one.fingerprint));
        output::line(&toned(Tone::Bad, &line))?;
    }
    Ok(())
}

/// A policy in words.
pub(super) fn in_force(revision: Option<u64>, fingerprint: &str) -> String {
    let short = short(fingerprint);
    revision.map_or_else(|| format!("policy {short}"), |revision| format!("revision {revision} ({short})"))
}

fn short(fingerprint: &str) -> String {
    output::safe(&fingerprint.chars().take(SHOWN_LETTERS).collect::<String>())
}

fn print_table(instances: &[&Instance]) -> Result<(), Failure> {
    if instances.is_empty() {
        return Ok(());
    }
    let head = ["SERVICE", "INSTANCE", "VERSION", "IN FORCE", "SINCE", "STATE"].map(str::to_owned);
    let rows: Vec<[String; 6]> =
        std::iter::once(head).chain(instances.iter().map(|instance| cells(instance))).collect();
    let widths: Vec<usize> =
        (0..5).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()).collect();
    output::line("")?;
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  ", width = *width));
        }
        let instance = number.checked_sub(1).and_then(|number| instances.get(number));
        let tone = match instance {
            None => Tone::Quiet,
            Some(instance) if !instance.agrees() => Tone::Bad,
            Some(instance) if !instance.findings.is_empty() => Tone::Doubt,
            Some(_) => Tone::Good,
        };
        output::line(&format!("{line}{}", toned(tone, &row[5])))?;
    }
    Ok(())
}

fn cells(instance: &Instance) -> [String; 6] {
    let report = &instance.report;
    let since = report.bundle.as_ref().map_or(report.since, |bundle| bundle.since);
    [
        output::word(&report.service),
        output::word(&report.instance),
        report.version.as_deref().map_or_else(|| "-".to_owned(), output::word),
        report
            .bundle
            .as_ref()
            .map_or_else(|| short(&report.fingerprint), |bundle| format!("revision {}", bundle.revision)),
        times::utc(i64::try_from(since).unwrap_or(i64::MAX)),
        state(instance),
    ]
}

/// The findings in words, with their reasons.
fn state(instance: &Instance) -> String {
    let report = &instance.report;
    let words = instance.findings.iter().map(|finding| {
        let reason = match finding {
            Finding::Refused => report.refusal.as_ref().map(|refusal| match refusal.code {
                Some(_) => refusal.problem.clone(),
                None => format!("{}: {}", refusal.field, refusal.problem),
            }),
            Finding::Weakened => Some(report.weakenings.join("; ")),
            Finding::OldRevocations => {
                report.revocations.map(|state| times::span(i64::try_from(state.age_seconds).unwrap_or(i64::MAX)))
            }
            _ => None,
        };
        match reason {
            None => finding.words().to_owned(),
            Some(reason) => format!("{} ({})", finding.words(), output::safe(&reason)),
        }
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "in force".to_owned() } else { words.join(", ") }
}
