//! `countersign fleet diff`.

use std::collections::BTreeMap;

use clap::Args;
use countersign::fleet::FleetReport;
use countersign::policy::{CanonicalPolicy, PolicyDifference};
use serde_json::{Value, json};

use super::sources::{Expected, Found, Sources, print_unreachable};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};
use crate::plane::Instance;

/// The most instances of a policy that are named.
const MAX_NAMED: usize = 8;

/// Show which fields of the policies differ.
///
/// The policies are compared with that of --bundle, or else with the one that most instances have, those of bundles within each
/// fleet. Instances without a bundle belong to the fleet of their service; policies need not come in bundles. Instances of other
/// fleets than that of --bundle are left out. The fields are those of which the fingerprint is a digest. Exit code 3 if a policy is
/// missing and all others are equal, or if there are no reports.
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
        let mut fleets = by_fleet(instances);
        if let Some(given) = expected.as_ref().and_then(|expected| expected.reference.fleet.as_ref()) {
            fleets.retain(|fleet, _| fleet.as_ref().is_none_or(|(_, fleet)| fleet == given));
        }
        let has_reports = !fleets.is_empty();
        let given = expected.map(|Expected { policy, .. }| policy);
        let (mut missing, mut differing, mut compared) = (Vec::new(), Vec::new(), Vec::new());
        for reports in fleets.into_values() {
            let held = held(reports, &mut missing);
            if let (None, Some(first)) = (&given, held.first()) {
                compared.push(format!("the policy of {}", named(first)));
            }
            let Some(reference) = given.clone().or_else(|| held.first().map(|held| held.policy.clone())) else {
                continue; // all of them are missing
            };
            let found = held.into_iter().map(|held| (self.differences(&reference, &held), held));
            differing.extend(found.filter(|(found, _)| !found.is_empty()).map(|(found, held)| (held, found)));
        }
        let compared = given.map_or_else(|| compared.join("; "), |_| "the given policy".to_owned());
        let exit = match (differing.is_empty(), has_reports && missing.is_empty() && unreachable.is_empty()) {
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
        match has_reports {
            true => print(&differing, &compared)?,
            false => output::line("no reports")?,
        }
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

/// A fleet, whose name counts with the issuer whose client reported; `None` without bundles.
type Fleet = Option<(Option<String>, String)>;

/// The reports of each fleet. An instance that has no bundle belongs to the fleet of most instances of its service: it is the one
/// that differs.
fn by_fleet(instances: Vec<Instance>) -> BTreeMap<Fleet, Vec<FleetReport>> {
    let mut of_services: BTreeMap<(Option<String>, String), BTreeMap<Fleet, usize>> = BTreeMap::new();
    for Instance { issuer, report, .. } in &instances {
        if let Some(bundle) = &report.bundle {
            let fleets = of_services.entry((issuer.clone(), report.service.clone())).or_default();
            *fleets.entry(Some((issuer.clone(), bundle.fleet.clone()))).or_default() += 1;
        }
    }
    let mut fleets: BTreeMap<Fleet, Vec<FleetReport>> = BTreeMap::new();
    for Instance { issuer, report, .. } in instances {
        let own = report.bundle.as_ref().map(|bundle| (issuer.clone(), bundle.fleet.clone()));
        let of_service = || of_services.get(&(issuer, report.service.clone()));
        let fleet = own.or_else(|| of_service()?.iter().max_by_key(|(_, count)| **count)?.0.clone());
        fleets.entry(fleet).or_default().push(report);
    }
    fleets
}

/// The policies of these reports, that of most first. Those without one are added to `missing`.
fn held(reports: Vec<FleetReport>, missing: &mut Vec<(String, String)>) -> Vec<Held> {
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    for report in reports {
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
    held
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
