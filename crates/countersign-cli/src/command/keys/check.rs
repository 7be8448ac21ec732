//! `countersign keys check`: prints the findings about an issuer's documents.

use clap::Args;
use serde_json::{Value, json};

use super::findings::{Findings, Level};
use crate::exit::{EXIT_CODES, Exit, Outcome};
use crate::fetch::{self, ConnectionOptions};
use crate::output::{self, Tone, toned};

/// Check an issuer's keys as a service would fetch them.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The issuer, or the address of its key set
    url: String,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Print one JSON object: issuer, jwks_uri, keys, findings, clock_difference_seconds, fresh_for_seconds
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(self) -> Outcome {
        self.connection.settings()?;
        let found = Findings::of(&self.connection, &fetch::address(&self.url)?).await;
        if self.json {
            let findings: Vec<Value> = found
                .list
                .iter()
                .map(|finding| json!({ "level": finding.level.word(), "name": finding.name, "text": finding.text }))
                .collect();
            output::json(&json!({
                "url": self.url,
                "issuer": found.issuer,
                "jwks_uri": found.jwks_uri,
                "keys": found.keys,
                "findings": findings,
                "clock_difference_seconds": found.clock_difference,
                "fresh_for_seconds": found.fresh_for,
            }))?;
        } else {
            for finding in &found.list {
                let mark = toned(finding.level.tone(), &format!("{:<7}", finding.level.word()));
                output::line(&format!("{mark} {:<13} {}", finding.name, finding.text))?;
            }
            for key in &found.keys {
                let text = |name: &str| key[name].as_str().unwrap_or("-").to_owned();
                let line = format!("        {:<9} {:<44} {}", text("alg"), text("thumbprint"), text("kid"));
                output::line(&output::safe(&line))?;
            }
        }
        let has_fault = found.list.iter().any(|finding| finding.level == Level::Fault);
        Ok(match (found.is_unreachable, has_fault) {
            (true, _) => Exit::Undecided,
            (false, true) => Exit::Rejected,
            (false, false) => Exit::Done,
        })
    }
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Fault => "fault",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Level::Ok => Tone::Good,
            Level::Warning => Tone::Doubt,
            Level::Fault => Tone::Bad,
        }
    }
}
