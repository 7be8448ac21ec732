//! `countersign rotate`: rotates the keys of a running service, or those in its store.

use std::path::PathBuf;

use clap::Args;
use countersign_issuer::IssuerConfig;

use super::control::ControlRequest;
use super::reach::{InService, in_service, in_store};
use crate::exit::{EXIT_CODES, Exit, Outcome};
use crate::{output, times};

/// Rotate the keys of a token service: of the running service with this configuration, otherwise in its store.
///
/// A new key is published immediately and signs once every verifier's cache has it (420 s). The old key stays published
/// until the last token signed with it has expired. No request fails.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The configuration file of the service, as for countersign issuer
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Sign with the new key immediately
    #[arg(long)]
    now: bool,
    /// Remove this key, for example after a leak
    #[arg(long, value_name = "KID", allow_hyphen_values = true, conflicts_with = "now")]
    revoke: Option<String>,
    /// Only list the keys
    #[arg(long, conflicts_with_all = ["now", "revoke"])]
    list: bool,
    /// Print one JSON object: issuer, keys (kid, state, changes_at)
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let config = IssuerConfig::from_file(&self.config)?;
        let request = match (&self.revoke, self.now, self.list) {
            (Some(key_id), ..) => ControlRequest::Revoke(key_id.clone()),
            (None, true, _) => ControlRequest::RotateNow,
            (None, _, true) => ControlRequest::Keys,
            _ => ControlRequest::Rotate,
        };
        let answer = match in_service(&config, &self.config, &request)? {
            InService::Answer(answer) => answer,
            InService::Nobody => in_store(&config, &request)?,
            InService::Unknown => {
                output::warn(
                    "the service received the request and did not answer, so the result is unknown; \
                     run `countersign rotate --list` with the same configuration",
                );
                return Ok(Exit::Undecided);
            }
        };
        match (answer, self.json) {
            (Err(problem), _) => {
                output::warn(&problem);
                return Ok(Exit::Rejected);
            }
            (Ok(keys), true) => output::json(&keys)?,
            (Ok(keys), false) => {
                for key in keys["keys"].as_array().into_iter().flatten() {
                    let text = |name: &str| output::safe(key[name].as_str().unwrap_or_default());
                    let until = key["changes_at"].as_i64().map(|at| format!("until {}", times::utc(at)));
                    output::line(&format!("{:<9} {} {}", text("state"), text("kid"), until.unwrap_or_default()))?;
                }
            }
        }
        Ok(Exit::Done)
    }
}
