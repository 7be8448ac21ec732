//! Writes the last part of `BENCHMARKS.md`, its chart, and what the next run adds to.

use std::fs;
use std::path::Path;

use countersign_benches::report::{FLEET_HEADING, Report, growth, without_fleet};

use crate::Result;

const TITLE: &str = "From a publication to 99 % of the verifiers";

pub(crate) fn all(report: Report) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (measured, document) = (root.join("benches/fleet.json"), root.join("BENCHMARKS.md"));
    let mut whole: Report = match fs::read_to_string(&measured) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => Report::default(),
    };
    whole.merge(report);
    fs::write(&measured, serde_json::to_string_pretty(&whole)? + "\n")?;
    let note = "Seconds by the number of verifiers, over loopback on two cores. Less is better.";
    let limits = [(5.0, "goal of a revision"), (2.0, "goal of a revocation")];
    fs::write(root.join("docs/benchmarks-fleet.svg"), growth(TITLE, note, whole.points(), &limits))?;
    let before = fs::read_to_string(&document)?;
    let (of_suite, _) = without_fleet(&before);
    let text = format!(
        "{}\n\n{FLEET_HEADING}\n\nEach verifier pulls a bundle, follows revocations in Redis, fetches a status list and reports to \
         `countersign plane`, all over loopback on one machine. Four processes have all verifiers. What was reported is what \
         `countersign fleet status` lists. Written by\n\n\
         ```text\n\
         cargo bench --manifest-path benches/Cargo.toml --no-default-features --features fleet --bench fleet -- --write\n\
         ```\n\n\
         or in steps, of which each keeps what the others measured: `hit memory growth`, `outage bad`, `interval` after `--`.\n\n\
         ![{TITLE}](docs/benchmarks-fleet.svg)\n\n\
         ### Goals of a fleet\n\n{}\n{}",
        of_suite.trim_end(),
        whole.goals().markdown(),
        whole.markdown().replace("## ", "### "),
    );
    Ok(fs::write(document, text.trim_end().to_owned() + "\n")?)
}
