//! `countersign jwks`: builds key sets, converts keys, computes thumbprints.

use clap::{Args, Subcommand, ValueEnum};
use countersign::key::VerifyingKey;
use serde_json::{Value, json};

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::tools::{jwk, keyring};
use crate::{input, output};

/// Build key sets, and convert public keys between JWK, PEM and DER. Private members are dropped.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Build one JWK Set of the public keys in these files (JWK, JWK Set, PEM, DER); of a private key, the public half
    Build(Files),
    /// Convert the public keys to another form
    Convert {
        #[command(flatten)]
        files: Files,
        /// The target form
        #[arg(long)]
        to: Form,
    },
    /// Print the thumbprint of each key (RFC 7638, SHA-256)
    Thumbprint {
        #[command(flatten)]
        files: Files,
        /// Print a JSON list of kid, alg, thumbprint
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Files {
    /// Key files; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The algorithm of keys that do not name one
    #[arg(long, value_name = "ALG")]
    alg: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Jwk,
    Jwks,
    Pem,
    Der,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Build(files) => output::json(&set(&files.read()?))?,
            Action::Convert { files, to } => convert(&files.read()?, to)?,
            Action::Thumbprint { files, json } => {
                let keys = files.read()?;
                if json {
                    let listed = keys.iter().map(|key| {
                        json!({ "kid": key.key_id(), "alg": key.algorithm().name(), "thumbprint": key.thumbprint() })
                    });
                    output::json(&listed.collect())?;
                } else {
                    keys.iter().try_for_each(|key| output::line(key.thumbprint()))?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

impl Files {
    fn read(&self) -> Result<Vec<VerifyingKey>, Failure> {
        let algorithm = self.alg.as_deref().map(keyring::algorithm).transpose()?;
        let mut keys = Vec::new();
        for path in &self.files {
            let bytes = input::bytes(path)?;
            let named = |failure: Failure| Failure::usage(format!("{path}: {failure}"));
            match std::str::from_utf8(&bytes) {
                Ok(text) => match keyring::development_key_in(path, text).and_then(|key| key.verifying_key().ok()) {
                    Some(key) => keys.push(key),
                    None => keys.extend(jwk::read(text, algorithm).map_err(named)?),
                },
                Err(_) => keys.push(jwk::read_der(&bytes, algorithm).map_err(named)?),
            }
        }
        Ok(keys)
    }
}

fn set(keys: &[VerifyingKey]) -> Value {
    json!({ "keys": keys.iter().map(jwk::to_jwk).collect::<Vec<_>>() })
}

fn convert(keys: &[VerifyingKey], to: Form) -> Result<(), Failure> {
    match to {
        Form::Jwks => output::json(&set(keys)),
        Form::Jwk => keys.iter().try_for_each(|key| output::json(&jwk::to_jwk(key))),
        Form::Pem => keys.iter().try_for_each(|key| output::bytes(jwk::to_pem(key).as_bytes())),
        Form::Der => match keys {
            [key] => output::bytes(&key.to_public_der().unwrap_or_default()),
            _ => Err(Failure::usage(format!("{} keys; DER contains exactly one", keys.len()))),
        },
    }
}
