//! `countersign apikey create`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_apikey::{CreatedApiKey, NewApiKey, Pepper};
use serde_json::json;

use super::failed::failed;
use super::place::Place;
use super::shown;
use crate::exit::{Exit, Failure, Outcome};
use crate::tools::keyring::NewPrivateFile;
use crate::{output, times};

/// Make a key.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The client that gets the key
    #[arg(long, value_name = "CLIENT")]
    client: String,
    /// A service that takes the key; repeatable
    #[arg(long, value_name = "SERVICE", required = true)]
    audience: Vec<String>,
    /// A scope; repeatable
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// A role; repeatable
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// A permission; repeatable
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// The tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// The user on whose behalf the key is used; the client itself by default
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// A note for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// The lifetime
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    expires_in: String,
    #[command(flatten)]
    made: Made,
}

/// The settings of a new key, and its destination.
#[derive(Args)]
pub(super) struct Made {
    /// The file with the pepper; `countersign apikey pepper` makes it
    #[arg(long, value_name = "FILE")]
    pepper_file: PathBuf,
    /// The word before the key, as configured in the services
    #[arg(long, value_name = "WORD", default_value = "key")]
    prefix: String,
    /// Write the key to this new file, which only you can read, and do not print it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object: the key and what it is for
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(self) -> Outcome {
        let mut audiences = self.audience.into_iter();
        let first = audiences.next().ok_or_else(|| Failure::usage("no audience; add --audience"))?;
        let lifetime = Duration::from_secs(times::length(&self.expires_in)?);
        let mut new = NewApiKey::new(self.client, first)
            .scopes(self.scope)
            .roles(self.role)
            .permissions(self.permission)
            .note(self.note)
            .expires_in(lifetime);
        for audience in audiences {
            new = new.audience(audience);
        }
        if let Some(tenant) = self.tenant {
            new = new.tenant(tenant);
        }
        if let Some(subject) = self.subject {
            new = new.subject(subject);
        }
        let keys = self.place.keys_with(self.made.pepper()?, self.made.prefix())?;
        let file = self.made.file()?;
        match keys.create(new).await {
            Ok(created) => self.made.print(&created, file),
            Err(error) => failed(&error),
        }
    }
}

impl Made {
    pub(super) fn pepper(&self) -> Result<Pepper, Failure> {
        Ok(Pepper::from_file(&self.pepper_file)?)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The file of the key, created before the key: otherwise a key could be made whose text is nowhere.
    pub(super) fn file(&self) -> Result<Option<NewPrivateFile<'_>>, Failure> {
        self.out.as_deref().map(NewPrivateFile::create).transpose()
    }

    /// Hands the key over: it is nowhere else.
    pub(super) fn print(&self, created: &CreatedApiKey, file: Option<NewPrivateFile<'_>>) -> Outcome {
        let text = created.text().expose();
        let mut answer = json!(created.key());
        match file {
            Some(file) => file.write(text.as_bytes())?,
            None if self.json => answer["key"] = json!(text),
            None => output::line(text)?,
        }
        match self.json {
            true => output::json(&answer)?,
            false => output::note(&shown::line(created.key())),
        }
        Ok(Exit::Done)
    }
}
