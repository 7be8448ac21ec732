//! `countersign fleet shadow`.

use std::collections::BTreeMap;

use clap::Args;
use countersign::fleet::FleetReport;
use countersign::reload::ShadowReport;
use serde::Serialize;
use serde_json::json;

use super::sources::{Found, Sources, print_unreachable};
use super::status::in_force;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};

/// Show whom the next policy would refuse or admit, by the shadow policies of the services.
///
/// Each service compares a part of its requests with its shadow policy (`PolicyBundle::shadow`, `PolicyFile::shadow`). The counts
/// of the instances of a service are added up, for each policy that they compare with. Exit code 0 only if no decision would
/// change; 3 if an instance compares with none, or nothing was compared.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// Print one JSON object: same, services, unreachable
    #[arg(long)]
    json: bool,
}

/// The instances of a service that compare with the same policy, or with none.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Compared {
    service: String,
    instances: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    compared: u64,
    undecided: u64,
    other_authorities: u64,
    newly_refused: BTreeMap<String, u64>,
    newly_admitted: BTreeMap<String, u64>,
    /// The reasons why instances have no shadow, or an old one.
    errors: Vec<String>,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let Found { instances, unreachable } = self.sources.read(false)?;
        let services = summed(instances.into_iter().map(|instance| instance.report));
        let exit = match services.iter().all(Compared::is_same) {
            false => Exit::Rejected,
            true if unreachable.is_empty() && !services.is_empty() && services.iter().all(Compared::is_known) => {
                Exit::Done
            }
            true => Exit::Undecided,
        };
        if self.json {
            output::json(&json!({
                "same": exit == Exit::Done,
                "services": services,
                "unreachable": unreachable,
            }))?;
            return Ok(exit);
        }
        services.iter().try_for_each(Compared::print)?;
        print_unreachable(&unreachable)?;
        if services.is_empty() {
            output::line("no reports")?;
        }
        Ok(exit)
    }
}

/// Adds up the reports by service and by the policy that they compare with.
fn summed(reports: impl Iterator<Item = FleetReport>) -> Vec<Compared> {
    let mut all = BTreeMap::<(String, Option<String>), Compared>::new();
    for FleetReport { service, shadow, .. } in reports {
        let fingerprint = shadow.as_ref().and_then(|shadow| shadow.fingerprint.clone());
        let one = all.entry((service.clone(), fingerprint.clone())).or_default();
        (one.service, one.fingerprint) = (service, fingerprint);
        one.instances += 1;
        if let Some(shadow) = shadow {
            one.add(shadow);
        }
    }
    all.into_values().collect()
}

impl Compared {
    fn add(&mut self, shadow: ShadowReport) {
        self.revision = self.revision.max(shadow.revision);
        for (sum, number) in [
            (&mut self.compared, shadow.compared),
            (&mut self.undecided, shadow.undecided),
            (&mut self.other_authorities, shadow.other_authorities),
        ] {
            *sum = sum.saturating_add(number);
        }
        for (sums, numbers) in
            [(&mut self.newly_refused, shadow.newly_refused), (&mut self.newly_admitted, shadow.newly_admitted)]
        {
            for (code, number) in numbers {
                let sum = sums.entry(code).or_default();
                *sum = sum.saturating_add(number);
            }
        }
        self.errors.extend(shadow.error.filter(|error| !self.errors.contains(error)));
    }

    /// Returns whether no decision would change, as far as it is known.
    fn is_same(&self) -> bool {
        self.other_authorities == 0 && self.newly_refused.is_empty() && self.newly_admitted.is_empty()
    }

    /// Returns whether something was compared, and nothing is undecided.
    fn is_known(&self) -> bool {
        self.fingerprint.is_some() && self.compared > self.undecided && self.undecided == 0 && self.errors.is_empty()
    }

    fn print(&self) -> Result<(), Failure> {
        let plural = if self.instances == 1 { "" } else { "s" };
        let who = format!("{}, {} instance{plural}", output::word(&self.service), self.instances);
        let Some(fingerprint) = &self.fingerprint else {
            output::line(&toned(Tone::Doubt, &format!("{who}: no shadow policy")))?;
            return self.print_errors();
        };
        let tone = match (self.is_same(), self.is_known()) {
            (false, _) => Tone::Bad,
            (true, true) => Tone::Good,
            (true, false) => Tone::Doubt,
        };
        let line = format!("{who}: {} tokens compared with {}", self.compared, in_force(self.revision, fingerprint));
        output::line(&toned(tone, &line))?;
        for (what, counts) in [("newly refused", &self.newly_refused), ("newly admitted", &self.newly_admitted)] {
            for (code, number) in counts {
                output::line(&toned(Tone::Bad, &format!("  {number} {what}: {}", output::word(code))))?;
            }
        }
        if self.other_authorities > 0 {
            output::line(&toned(Tone::Bad, &format!("  {} with other authorities", self.other_authorities)))?;
        }
        if self.undecided > 0 {
            output::line(&toned(Tone::Doubt, &format!("  {} undecided, because keys are missing", self.undecided)))?;
        }
        self.print_errors()
    }

    fn print_errors(&self) -> Result<(), Failure> {
        self.errors.iter().try_for_each(|error| output::line(&toned(Tone::Bad, &format!("  {}", output::safe(error)))))
    }
}
