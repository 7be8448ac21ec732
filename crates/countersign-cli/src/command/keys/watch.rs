//! `countersign keys watch`: reports keys that an issuer adds or removes.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use countersign::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::findings::Findings;
use super::target::Target;
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::fetch::ConnectionOptions;
use crate::{output, times};

/// Watch an issuer's keys and report changes. Stops on Ctrl-C, or after --count fetches.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The issuer, or the address of its key set
    url: String,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// The interval between two fetches, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Stop after this many fetches
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print one JSON object a line: at, event (first, changed, unreachable, back), keys, added, removed, why
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(self) -> Outcome {
        self.connection.settings()?;
        let target = Target::at(&self.url, &self.connection)?;
        let mut known: Option<BTreeSet<String>> = None;
        let mut is_unreachable = false;
        let mut fetched = 0;
        loop {
            let found = Findings::of(&target).await;
            let now: BTreeSet<String> = found.keys.iter().map(name).collect();
            if now.is_empty() {
                if !is_unreachable {
                    let why: Vec<&str> = found.list.iter().map(|finding| finding.text.as_str()).collect();
                    self.report("unreachable", &json!({ "why": why.join("; ") }))?;
                }
                is_unreachable = true;
            } else {
                let listed = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
                    one.difference(other).cloned().collect()
                };
                match &known {
                    None => self.report("first", &json!({ "keys": now }))?,
                    Some(before) if *before != now => {
                        let change = json!({ "added": listed(&now, before), "removed": listed(before, &now) });
                        self.report("changed", &change)?;
                    }
                    Some(_) if is_unreachable => self.report("back", &json!({ "keys": now }))?,
                    Some(_) => {}
                }
                (known, is_unreachable) = (Some(now), false);
            }
            fetched += 1;
            if self.count.is_some_and(|count| fetched >= count) {
                return Ok(if known.is_some() { Exit::Done } else { Exit::Undecided });
            }
            tokio::time::sleep(Duration::from_secs(self.every)).await;
        }
    }

    fn report(&self, event: &str, more: &Value) -> Result<(), Failure> {
        let at = times::utc(i64::try_from(SystemClock.now().as_secs()).unwrap_or(i64::MAX));
        if self.json {
            let mut line = json!({ "at": at, "event": event });
            if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
                line.extend(more.clone());
            }
            return output::json(&line);
        }
        let list = |name: &str| -> String {
            let names = more[name].as_array().into_iter().flatten().filter_map(Value::as_str);
            names.collect::<Vec<_>>().join(", ")
        };
        let words = match event {
            "changed" => format!("added: {}  removed: {}", list("added"), list("removed")),
            "unreachable" => more["why"].as_str().unwrap_or_default().to_owned(),
            _ => list("keys"),
        };
        output::line(&output::safe(&format!("{at}  {event:<11} {words}")))
    }
}

/// Identifies a key by its ID, algorithm and thumbprint: two keys with the same ID are two keys. An ID that is not one word is
/// quoted.
fn name(key: &Value) -> String {
    let text = |name: &str| key[name].as_str().map_or_else(|| "-".to_owned(), output::word);
    format!("{} {} {}", text("kid"), text("alg"), text("thumbprint"))
}
