//! `countersign decode`: shows the contents of a token without verifying it.

use std::path::PathBuf;

use clap::Args;
use countersign::clock::{Clock, SystemClock};
use countersign::key::{Algorithm, KeySet};

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::token_view::TokenView;
use crate::{input, keyfile, output};

/// Decode a token without verifying it. Anyone can write such a token, so the output proves nothing.
///
/// With --jwks only the signature is checked, not the issuer, the audience or the times.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The token, or - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN, then standard input
    token: Option<String>,
    /// Check the signature with the keys of this JWK Set or JWK
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Evaluate the warnings as of this time
    #[arg(long, value_name = "UNIX_SECONDS")]
    now: Option<u64>,
    /// Print one JSON object: header, payload, signature (valid, invalid or unchecked), warnings, faults
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let token = input::unwrapped(&input::token(self.token.as_deref())?);
        if token.is_empty() {
            return Err(Failure::usage("no token given; pass it on standard input"));
        }
        let keys = match &self.jwks {
            Some(path) => {
                let loaded = keyfile::from_jwks(&input::file(&path.to_string_lossy())?, Algorithm::ALL)?;
                Some(KeySet::new(loaded.keys))
            }
            None => None,
        };
        let now = self.now.unwrap_or_else(|| SystemClock.now().as_secs());
        let view = TokenView::new(&token, keys.as_ref(), i64::try_from(now).unwrap_or(i64::MAX));
        if self.json {
            output::json(&view.as_json())?;
        } else {
            view.print(i64::try_from(now).unwrap_or(i64::MAX))?;
        }
        Ok(if view.faults.is_empty() { Exit::Done } else { Exit::Rejected })
    }
}
