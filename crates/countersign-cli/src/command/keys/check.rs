//! `countersign keys check`: prints the findings about issuers' documents.

use clap::Args;
use serde_json::{Value, json};

use super::super::level;
use super::findings::Findings;
use super::target::Target;
use crate::exit::{EXIT_CODES, Failure, Outcome};
use crate::fetch::ConnectionOptions;
use crate::input;
use crate::output::{self, Tone, toned};
use crate::verification::read_policy;

/// Check an issuer's keys as a service would fetch them.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The issuer, exactly as services name it, or the address of its key set
    #[arg(required_unless_present = "policy")]
    url: Option<String>,
    /// Check the keys of this policy's issuers instead, with its settings for connections
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    policy: Option<String>,
    /// The table of the policy within that file, such as auth or services.auth
    #[arg(long, value_name = "TABLE", requires = "policy")]
    at: Option<String>,
    /// Only this issuer of the policy
    #[arg(long, value_name = "ISS", requires = "policy")]
    issuer: Option<String>,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Print one JSON object: url, issuer, jwks_uri, keys, findings, clock_difference_seconds, fresh_for_seconds; with --policy,
    /// issuers with a list of them
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(self) -> Outcome {
        self.connection.settings()?;
        let targets = self.targets()?;
        let mut checked = Vec::new();
        for target in &targets {
            checked.push((target.name.as_str(), Findings::of(target).await));
        }
        match (self.json, self.policy.is_some()) {
            (true, true) => {
                let issuers: Vec<Value> = checked.iter().map(|(name, found)| as_json(name, found)).collect();
                output::json(&json!({ "issuers": issuers }))?;
            }
            (true, false) => checked.iter().try_for_each(|(name, found)| output::json(&as_json(name, found)))?,
            (false, has_names) => {
                for (number, (name, found)) in checked.iter().enumerate() {
                    if has_names {
                        let space = if number == 0 { "" } else { "\n" };
                        output::line(&format!("{space}{}", toned(Tone::Strong, &output::safe(name))))?;
                    }
                    print(found)?;
                }
            }
        }
        let is_unreachable = checked.iter().any(|(_, found)| found.is_unreachable);
        let findings = checked.iter().flat_map(|(_, found)| &found.list);
        Ok(level::exit(is_unreachable, findings.map(|finding| finding.level)))
    }

    fn targets(&self) -> Result<Vec<Target>, Failure> {
        match (&self.policy, &self.url) {
            (Some(path), _) => {
                let policy = read_policy(&input::file(path)?, self.at.as_deref())
                    .map_err(|problem| Failure::usage(format!("{path}: {problem}")))?;
                Target::of_policy(&policy, self.issuer.as_deref(), &self.connection)
            }
            (None, url) => Ok(vec![Target::at(url.as_deref().unwrap_or_default(), &self.connection)?]),
        }
    }
}

fn as_json(name: &str, found: &Findings) -> Value {
    let findings: Vec<Value> = found
        .list
        .iter()
        .map(|finding| json!({ "level": finding.level.word(), "name": finding.name, "text": finding.text }))
        .collect();
    json!({
        "url": name,
        "issuer": found.issuer,
        "jwks_uri": found.jwks_uri,
        "keys": found.keys,
        "findings": findings,
        "clock_difference_seconds": found.clock_difference,
        "fresh_for_seconds": found.fresh_for,
    })
}

fn print(found: &Findings) -> Result<(), Failure> {
    for finding in &found.list {
        let mark = finding.level.mark();
        output::line(&format!("{mark} {:<13} {}", finding.name, finding.text))?;
    }
    for key in &found.keys {
        let text = |name: &str| key[name].as_str().map_or_else(|| "-".to_owned(), output::word);
        let line = format!("        {:<9} {:<44} {}", text("alg"), text("thumbprint"), text("kid"));
        output::line(&output::safe(&line))?;
    }
    Ok(())
}
