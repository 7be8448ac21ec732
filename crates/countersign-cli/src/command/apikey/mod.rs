//! `countersign apikey`: manages API keys in a file or database.

mod create;
mod failed;
mod place;
mod shown;

use clap::{Args, Subcommand};
use countersign_apikey::{ApiKeyError, ApiKeys, Pepper};

use crate::exit::{EXIT_CODES, Exit, Outcome};
use crate::tools::keyring;
use crate::{output, runtime, times};
use failed::failed;
use place::Place;

/// Manage the API keys that services take: in a file, or in PostgreSQL. Services know of a change within 5 s.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Generate the pepper under which keys are stored; every service that takes the keys needs it
    Pepper {
        /// Write it to this new file, which only you can read
        #[arg(long, value_name = "FILE")]
        out: Option<std::path::PathBuf>,
    },
    /// Make a key, and print it once
    Create(create::Arguments),
    /// List the keys, without their secrets
    List {
        #[command(flatten)]
        place: Place,
        /// Only those of this client
        #[arg(long, value_name = "CLIENT")]
        client: Option<String>,
        /// Print one JSON object: keys
        #[arg(long)]
        json: bool,
    },
    /// Make another key with the same authorities, print it once, and let the old one end
    Rotate {
        #[command(flatten)]
        place: Place,
        /// The ID of the old key, which is its middle part
        #[arg(value_name = "ID")]
        id: String,
        /// The time for which the old key is still good, such as 7d; none by default
        #[arg(long, value_name = "DURATION")]
        overlap: Option<String>,
        #[command(flatten)]
        made: create::Made,
    },
    /// Set the end of a key: a duration from now, such as 30d
    Expire {
        #[command(flatten)]
        place: Place,
        /// The ID of the key
        #[arg(value_name = "ID")]
        id: String,
        /// The time from now until its end
        #[arg(long = "in", value_name = "DURATION")]
        within: String,
    },
    /// Revoke a key for good
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The ID of the key
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Remove a key that was revoked or has ended
    Remove {
        #[command(flatten)]
        place: Place,
        /// The ID of the key
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        runtime::current_thread()?.block_on(self.action.run())
    }
}

impl Action {
    async fn run(self) -> Outcome {
        match self {
            Action::Pepper { out } => pepper(out.as_deref()),
            Action::Create(arguments) => arguments.run().await,
            Action::List { place, client, json } => list(&place.keys()?, client.as_deref(), json).await,
            Action::Rotate { place, id, overlap, made } => {
                let overlap = overlap.map_or(Ok(0), |text| times::length(&text))?;
                let keys = place.keys_with(made.pepper()?, made.prefix())?;
                let file = made.file()?;
                let rotated = match keys.rotate(&id, std::time::Duration::from_secs(overlap)).await {
                    Ok(rotated) => rotated,
                    Err(error) => return failed(&error),
                };
                made.print(rotated.created(), file)?;
                match rotated.old_key() {
                    Ok(_) => Ok(Exit::Done),
                    Err(error) => {
                        let id = output::word(&id);
                        output::warn(&format!("the old key {id} may be valid for as long as before; revoke it later"));
                        failed(error)
                    }
                }
            }
            Action::Expire { place, id, within } => {
                let seconds = i64::try_from(times::length(&within)?).unwrap_or(i64::MAX);
                let at = u64::try_from(times::now().saturating_add(seconds)).unwrap_or_default();
                let at = countersign::clock::UnixTime::from_secs(at);
                changed(place.keys()?.set_expiry(&id, at).await.map(|key| shown::line(&key)))
            }
            Action::Revoke { place, id } => changed(place.keys()?.revoke(&id).await.map(|key| shown::line(&key))),
            Action::Remove { place, id } => {
                changed(place.keys()?.remove(&id).await.map(|()| format!("{} removed", output::word(&id))))
            }
        }
    }
}

fn pepper(out: Option<&std::path::Path>) -> Outcome {
    let pepper = Pepper::generate()?;
    match out {
        Some(path) => keyring::write_private(path, pepper.expose().as_bytes())?,
        None => output::line(pepper.expose())?,
    }
    Ok(Exit::Done)
}

async fn list(keys: &ApiKeys, client: Option<&str>, json: bool) -> Outcome {
    let keys = match keys.list().await {
        Ok(keys) => keys,
        Err(error) => return failed(&error),
    };
    let keys: Vec<_> = keys.into_iter().filter(|key| client.is_none_or(|client| key.client() == client)).collect();
    if json {
        output::json(&serde_json::json!({ "keys": keys }))?;
        return Ok(Exit::Done);
    }
    for key in &keys {
        output::line(&shown::line(key))?;
    }
    if keys.is_empty() {
        output::line("no keys")?;
    }
    Ok(Exit::Done)
}

fn changed(result: Result<String, ApiKeyError>) -> Outcome {
    match result {
        Ok(line) => {
            output::line(&line)?;
            Ok(Exit::Done)
        }
        Err(error) => failed(&error),
    }
}
