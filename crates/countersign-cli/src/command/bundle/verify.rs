//! `countersign bundle verify`.

use clap::Args;
use countersign::bundle::Bundle;
use countersign::clock::UnixTime;
use serde_json::json;

use super::checks::{fingerprint, pins};
use crate::exit::{Exit, Outcome};
use crate::output::{self, Tone, toned};
use crate::{input, times};

/// Verify a bundle as services do.
#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle; - for standard input
    #[arg(value_name = "BUNDLE")]
    bundle: String,
    /// The public keys that services pin: a JWK Set, a JWK or a PEM
    #[arg(long, value_name = "FILE")]
    keys: String,
    /// The fleet that services pin
    #[arg(long, value_name = "NAME")]
    fleet: String,
    /// The bundle in force, which this one would replace
    #[arg(long, value_name = "BUNDLE")]
    after: Option<String>,
    /// Verify as of this time, in seconds since 1970
    #[arg(long, value_name = "UNIX_SECONDS")]
    now: Option<u64>,
    /// Print one JSON object: accepted, code and problem if not, revision, fleet, times, kid, fingerprint, weakenings
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let pins = pins(&self.keys, &self.fleet)?;
        let now = UnixTime::from_secs(self.now.unwrap_or_else(|| u64::try_from(times::now()).unwrap_or_default()));
        let text = input::file(&self.bundle)?;
        let last = match &self.after {
            Some(path) => Some(
                pins.verify_at_any_time(&input::file(path)?)
                    .map_err(|error| crate::exit::Failure::usage(format!("{path}: {error}")))?,
            ),
            None => None,
        };
        let verified = pins.verify(&text, now).and_then(|bundle| match &last {
            Some(last) => bundle.replaces(last).map(|_| bundle),
            None => Ok(bundle),
        });
        let refused = match verified {
            Ok(bundle) => match fingerprint(bundle.policy()) {
                Ok(fingerprint) => return self.accepted(&bundle, &fingerprint),
                Err(error) => ("bundle_invalid_policy", error.to_string()),
            },
            Err(error) => {
                let (code, text) = (error.code(), error.to_string());
                (code, text.strip_prefix(code).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text).to_owned())
            }
        };
        let (code, problem) = refused;
        match self.json {
            true => output::json(&json!({ "accepted": false, "code": code, "problem": problem }))?,
            false => output::line(&toned(Tone::Bad, &format!("refused: {code}: {}", output::safe(&problem))))?,
        }
        Ok(Exit::Rejected)
    }

    fn accepted(&self, bundle: &Bundle, fingerprint: &str) -> Outcome {
        let weakenings = bundle.policy().weakenings();
        let (created_at, expires_at) = (bundle.created_at().as_secs(), bundle.expires_at().as_secs());
        if self.json {
            output::json(&json!({
                "accepted": true, "revision": bundle.revision(), "fleet": bundle.fleet(), "created_at": created_at,
                "expires_at": expires_at, "kid": bundle.key_id(), "fingerprint": fingerprint, "weakenings": weakenings,
            }))?;
            return Ok(Exit::Done);
        }
        let time = |seconds: u64| times::utc(i64::try_from(seconds).unwrap_or(i64::MAX));
        let (revision, fleet) = (bundle.revision(), output::safe(bundle.fleet()));
        output::line(&toned(Tone::Good, &format!("accepted: revision {revision} for {fleet}")))?;
        output::line(&format!("  created {}, expires {}", time(created_at), time(expires_at)))?;
        output::line(&format!("  signed by {}", output::safe(bundle.key_id().unwrap_or("a key without an ID"))))?;
        for weakening in &weakenings {
            output::line(&toned(Tone::Doubt, &format!("  weakened: {}", output::safe(weakening))))?;
        }
        output::line(&format!("fingerprint {fingerprint}"))?;
        Ok(Exit::Done)
    }
}
