//! `countersign uuid`: generates and parses UUIDs.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::exit::{EXIT_CODES, Exit, Outcome};
use crate::output;
use crate::tools::uuids;

/// Generate or parse UUIDs (RFC 9562).
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Generate random UUIDs
    V4(Count),
    /// Generate UUIDs that begin with the time, so that they sort
    V7(Count),
    /// Print the fields of a UUID
    Parse {
        /// The UUID
        uuid: String,
        /// Print one JSON object: uuid, version, variant, made_at, made_at_utc
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Count {
    /// The number of UUIDs
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::V4(Count { count }) => (0..count).try_for_each(|_| output::line(&uuids::v4()))?,
            Action::V7(Count { count }) => (0..count).try_for_each(|_| output::line(&uuids::v7()))?,
            Action::Parse { uuid, json } => {
                let fields = uuids::parse(&uuid)?;
                if json {
                    output::json(&fields)?;
                } else {
                    for (name, value) in fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null())
                    {
                        let value = value.as_str().map_or_else(|| Value::to_string(value), str::to_owned);
                        output::line(&format!("{name:<12} {value}"))?;
                    }
                }
            }
        }
        Ok(Exit::Done)
    }
}
