//! `countersign bundle keygen` and `sign`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use countersign::bundle::{BundleDraft, BundleVerifier};
use countersign::clock::UnixTime;
use countersign::integration::replace_file;
use countersign::key::KeySet;
use countersign::mint::Signer;
use serde_json::json;

use super::checks::fingerprint;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};
use crate::tools::{jwk, keyring};
use crate::verification::read_policy;
use crate::{input, times};

/// Generate the key that signs bundles.
#[derive(Args)]
pub(super) struct Keygen {
    /// Write the private key (PEM, PKCS#8) to this new file, which only you can read
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The signature algorithm
    #[arg(long, value_name = "ALG", default_value = "ES256")]
    alg: String,
}

impl Keygen {
    pub(super) fn run(self) -> Outcome {
        let algorithm = keyring::algorithm(&self.alg)?;
        if algorithm.is_symmetric() {
            return Err(Failure::usage("with a shared secret each service could sign; use a key pair, such as ES256"));
        }
        let signer = Signer::generate(algorithm).map_err(|reason| Failure::usage(reason.to_string()))?;
        keyring::write_private(&self.out, jwk::pem("PRIVATE KEY", signer.private_key().expose()).as_bytes())?;
        output::json(&json!({ "keys": [signer.public_jwk()] }))?;
        Ok(Exit::Done)
    }
}

/// Sign a policy.
#[derive(Args)]
pub(super) struct Arguments {
    /// A policy in TOML or JSON, as services read it; - for standard input
    #[arg(value_name = "POLICY")]
    policy: String,
    /// The private key (PEM, PKCS#8); `countersign bundle keygen` makes one
    #[arg(long, value_name = "FILE")]
    key: String,
    /// The fleet whose services take the bundle
    #[arg(long, value_name = "NAME")]
    fleet: String,
    /// The revision: higher than the last, which services remember
    #[arg(long, value_name = "NUMBER", required_unless_present = "after")]
    revision: Option<u64>,
    /// Use the revision after that of this bundle, which the same key signed for the same fleet
    #[arg(long, value_name = "BUNDLE", conflicts_with = "revision")]
    after: Option<String>,
    /// Sign it as a shadow: services compare it with the policy in force, and never put it in force
    #[arg(long)]
    shadow: bool,
    /// The time until services do not take it any more, at most 366d; one in force stays
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    expires_in: String,
    /// The table of the policy within the file, such as auth or services.auth
    #[arg(long, value_name = "TABLE")]
    at: Option<String>,
    /// Replace this file in one step, instead of printing the bundle
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object: revision, fleet, times, kid, fingerprint, weakenings, and the bundle unless --out is given
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let policy = read_policy(&input::file(&self.policy)?, self.at.as_deref())?;
        let fingerprint = match fingerprint(&policy) {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                output::warn(&format!("no service would take it: {error}"));
                return Ok(Exit::Rejected);
            }
        };
        let weakenings = policy.weakenings();
        let signer = keyring::private_key(&input::file(&self.key)?, None)?;
        let revision = self.revision(&signer)?;
        let now = u64::try_from(times::now()).unwrap_or_default();
        let validity = Duration::from_secs(times::length(&self.expires_in)?);
        let draft = BundleDraft::new(self.fleet.as_str(), revision, policy).created_at(UnixTime::from_secs(now));
        let draft = draft.validity(validity);
        let bundle = if self.shadow { draft.sign_shadow(&signer)? } else { draft.sign(&signer)? };
        if let Some(path) = &self.out {
            replace(path, bundle.as_bytes())?;
        }
        let expires_at = now.saturating_add(validity.as_secs());
        if self.json {
            let mut answer = json!({
                "revision": revision, "fleet": self.fleet, "created_at": now, "expires_at": expires_at,
                "kid": signer.key_id(), "fingerprint": fingerprint, "weakenings": weakenings,
            });
            if self.out.is_none() {
                answer["bundle"] = json!(bundle);
            }
            output::json(&answer)?;
            return Ok(Exit::Done);
        }
        for weakening in &weakenings {
            output::warn(&format!("weakened: {weakening}"));
        }
        if self.out.is_none() {
            output::line(&bundle)?;
            return Ok(Exit::Done);
        }
        let fleet = output::safe(&self.fleet);
        output::line(&toned(
            Tone::Good,
            &format!("signed{}: revision {revision} for {fleet}", if self.shadow { " as a shadow" } else { "" }),
        ))?;
        output::line(&format!("  expires {}", times::utc(i64::try_from(expires_at).unwrap_or(i64::MAX))))?;
        output::line(&format!("  key {}", output::safe(signer.key_id())))?;
        output::line(&format!("fingerprint {fingerprint}"))?;
        Ok(Exit::Done)
    }

    fn revision(&self, signer: &Signer) -> Result<u64, Failure> {
        let Some(path) = &self.after else { return Ok(self.revision.unwrap_or_default()) };
        let key = signer.verifying_key().map_err(|rejected| Failure::usage(rejected.to_string()))?;
        let last =
            BundleVerifier::new(self.fleet.as_str(), KeySet::new([key]))?.verify_at_any_time(&input::file(path)?);
        let last = last.map_err(|error| Failure::usage(format!("{path}: {error}; state --revision")))?;
        Ok(last.revision().saturating_add(1))
    }
}

/// Replaces a file by a rename, so that no service reads a part of it.
fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    replace_file(path, content, 0o666).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
