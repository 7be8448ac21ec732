//! `countersign fleet diff`.

use std::collections::BTreeMap;

use clap::Args;
use countersign::policy::{CanonicalPolicy, PolicyDifference};
use serde_json::{Value, json};

use super::sources::{Expected, Found, Sources, print_unreachable};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};

/// The most instances of a policy that are named.
const MAX_NAMED: usize = 8;

/// Show which fields of the policies differ.
///
/// The policies are compared with that of --bundle, or else with the one that most instances have. They need not come in bundles. The
/// fields are those of which the fingerprint is a digest. Exit code 3 if a policy is missing and all others are equal.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// A field that may differ, such as audience; may be repeated
    #[arg(long, value_name = "FIELD")]
    except: Vec<String>,
    /// Print one JSON object: equal, compared, differences with instances, issuer, field, old, new; missing, unreachable
    #[arg(long)]
    json: bool,
}

/// A policy, and who has it.
struct Held {
    policy: CanonicalPolicy,
    /// Service and instance.
    by: Vec<(String, String)>,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let expected = self.sources.expected()?;
        let Found { instances, unreachable } = self.sources.read(true)?;
        let mut missing = Vec::new();
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        for instance in instances {
            let report = instance.report;
            let name = (report.service, report.instance);
            match report.policy {
                None => missing.push(name),
                Some(policy) => {
                    // By its content: who reports may state any fingerprint.
                    let content = serde_json::to_string(&policy).unwrap_or_default();
                    held.entry(content).or_insert_with(|| Held { policy, by: Vec::new() }).by.push(name);
                }
            }
        }
        let mut held: Vec<Held> = held.into_values().collect();
        held.sort_by_key(|held| std::cmp::Reverse(held.by.len()));
        let compared = match &expected {
            Some(_) => "the given policy".to_owned(),
            None => format!("the policy of {}", held.first().map(named).unwrap_or_default()),
        };
        let reference = expected.map(|Expected { policy, .. }| policy);
        let reference = reference.or_else(|| held.first().map(|held| held.policy.clone())).unwrap_or_default();
        let differing: Vec<(Held, Vec<PolicyDifference>)> = held
            .into_iter()
            .map(|held| (self.differences(&reference, &held), held))
            .map(|(found, held)| (held, found))
            .collect();
        let differing: Vec<_> = differing.into_iter().filter(|(_, found)| !found.is_empty()).collect();
        let exit = match (differing.is_empty(), missing.is_empty() && unreachable.is_empty()) {
            (false, _) => Exit::Rejected,
            (true, true) => Exit::Done,
            (true, false) => Exit::Undecided,
        };
        if self.json {
            let names = |by: &[(String, String)]| {
                by.iter()
                    .map(|(service, instance)| json!({ "service": service, "instance": instance }))
                    .collect::<Vec<Value>>()
            };
            let differences = differing.iter().flat_map(|(held, found)| {
                found.iter().map(|one| {
                    json!({ "instances": names(&held.by), "issuer": one.issuer, "field": one.field, "old": one.ours, "new": one.theirs })
                })
            });
            output::json(&json!({
                "equal": exit == Exit::Done,
                "compared": compared,
                "differences": differences.collect::<Vec<_>>(),
                "missing": names(&missing),
                "unreachable": unreachable,
            }))?;
            return Ok(exit);
        }
        print(&differing, &compared)?;
        for (service, instance) in &missing {
            let name = format!("{} {}", output::word(service), output::word(instance));
            let line = format!("{name}: its policy is missing; ask its route with ?policy, or a plane");
            output::line(&toned(Tone::Doubt, &line))?;
        }
        print_unreachable(&unreachable)?;
        Ok(exit)
    }

    fn differences(&self, reference: &CanonicalPolicy, held: &Held) -> Vec<PolicyDifference> {
        let found = reference.differences(&held.policy).into_iter();
        found.filter(|one| !self.except.contains(&one.field)).collect()
    }
}

fn print(differing: &[(Held, Vec<PolicyDifference>)], compared: &str) -> Result<(), Failure> {
    if differing.is_empty() {
        return output::line(&toned(Tone::Good, "the policies are equal"));
    }
    output::line(&format!("compared with {compared}"))?;
    for (held, found) in differing {
        output::line(&format!("{}:", named(held)))?;
        for one in found {
            let (tone, sign) = match (&one.ours, &one.theirs) {
                (None, _) => (Tone::Good, '+'),
                (_, None) => (Tone::Bad, '-'),
                _ => (Tone::Doubt, '~'),
            };
            output::line(&toned(tone, &format!("  {sign} {}", output::safe(&one.to_string()))))?;
        }
    }
    Ok(())
}

/// The instances that have a policy.
fn named(held: &Held) -> String {
    let names = held.by.iter().take(MAX_NAMED);
    let names: Vec<String> =
        names.map(|(service, instance)| format!("{} {}", output::word(service), output::word(instance))).collect();
    match held.by.len().checked_sub(MAX_NAMED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names.join(", ")),
    }
}
