//! `countersign bundle verify`.

use clap::Args;
use countersign::bundle::{Bundle, ShadowBundle};
use countersign::clock::UnixTime;
use countersign::policy::Policy;
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
    /// Verify it as a shadow, which services compare and never put in force
    #[arg(long, conflicts_with = "after")]
    shadow: bool,
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
        let verified = match self.shadow {
            true => pins.verify_shadow(&text, now).map(Accepted::Shadow),
            false => pins.verify(&text, now).and_then(|bundle| match &last {
                Some(last) => bundle.replaces(last).map(|_| Accepted::Bundle(bundle)),
                None => Ok(Accepted::Bundle(bundle)),
            }),
        };
        let refused = match verified {
            Ok(bundle) => match fingerprint(bundle.facts().policy) {
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

    fn accepted(&self, bundle: &Accepted, fingerprint: &str) -> Outcome {
        let Facts { revision, fleet, created_at, expires_at, key_id, policy } = bundle.facts();
        let (weakenings, created_at, expires_at) = (policy.weakenings(), created_at.as_secs(), expires_at.as_secs());
        if self.json {
            output::json(&json!({
                "accepted": true, "revision": revision, "fleet": fleet, "created_at": created_at,
                "expires_at": expires_at, "kid": key_id, "fingerprint": fingerprint, "weakenings": weakenings,
            }))?;
            return Ok(Exit::Done);
        }
        let time = |seconds: u64| times::utc(i64::try_from(seconds).unwrap_or(i64::MAX));
        let kind = if self.shadow { " as a shadow" } else { "" };
        let fleet = output::safe(fleet);
        output::line(&toned(Tone::Good, &format!("accepted{kind}: revision {revision} for {fleet}")))?;
        output::line(&format!("  created {}, expires {}", time(created_at), time(expires_at)))?;
        output::line(&format!("  signed by {}", output::safe(key_id.unwrap_or("a key without an ID"))))?;
        for weakening in &weakenings {
            output::line(&toned(Tone::Doubt, &format!("  weakened: {}", output::safe(weakening))))?;
        }
        output::line(&format!("fingerprint {fingerprint}"))?;
        Ok(Exit::Done)
    }
}

/// A bundle of either kind.
enum Accepted {
    Bundle(Bundle),
    Shadow(ShadowBundle),
}

/// The members of both kinds.
struct Facts<'b> {
    revision: u64,
    fleet: &'b str,
    created_at: UnixTime,
    expires_at: UnixTime,
    key_id: Option<&'b str>,
    policy: &'b Policy,
}

impl Accepted {
    fn facts(&self) -> Facts<'_> {
        match self {
            Accepted::Bundle(it) => Facts {
                revision: it.revision(),
                fleet: it.fleet(),
                created_at: it.created_at(),
                expires_at: it.expires_at(),
                key_id: it.key_id(),
                policy: it.policy(),
            },
            Accepted::Shadow(it) => Facts {
                revision: it.revision(),
                fleet: it.fleet(),
                created_at: it.created_at(),
                expires_at: it.expires_at(),
                key_id: it.key_id(),
                policy: it.policy(),
            },
        }
    }
}
