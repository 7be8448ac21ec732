//! `countersign bundle publish`.

use std::path::PathBuf;

use clap::Args;
use countersign::clock::UnixTime;
use countersign_redis::{BundlePublishErrorKind, RedisBundles, RedisSettings};
use serde_json::json;

use super::checks::{fingerprint, pins};
use crate::exit::{Exit, Outcome};
use crate::output::{self, Tone, toned};
use crate::{input, redis, runtime, times};

/// Publish a bundle in Redis, from where services pull it.
///
/// It is verified first, as services do. An earlier revision never replaces a later one. Services pull it about a second later.
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
    /// Publish it as a shadow, which services compare and never put in force
    #[arg(long)]
    shadow: bool,
    /// The Redis or Valkey whose URL this environment variable has
    #[arg(long, value_name = "VARIABLE")]
    redis_env: String,
    /// Trust the authorities in this PEM file too, for a Redis with TLS
    #[arg(long, value_name = "FILE")]
    redis_roots: Option<PathBuf>,
    /// Find the primary, whose name is the host of that URL, by the sentinels whose URLs this environment variable has, with
    /// spaces between them
    #[arg(long, value_name = "VARIABLE")]
    redis_sentinels_env: Option<String>,
    /// The beginning of all keys, as services set it
    #[arg(long, value_name = "PREFIX")]
    redis_prefix: Option<String>,
    /// Print one JSON object: published, and revision, fleet, is_new, or code and problem
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let pins = pins(&self.keys, &self.fleet)?;
        let text = input::file(&self.bundle)?;
        let now = UnixTime::from_secs(u64::try_from(times::now()).unwrap_or_default());
        let verified = match self.shadow {
            true => pins.verify_shadow(&text, now).map(|it| (it.revision(), fingerprint(it.policy()))),
            false => pins.verify(&text, now).map(|it| (it.revision(), fingerprint(it.policy()))),
        };
        let revision = match verified {
            Ok((revision, Ok(_))) => revision,
            Ok((_, Err(error))) => return self.refused(Exit::Rejected, "bundle_invalid_policy", &error.to_string()),
            Err(error) => return self.refused(Exit::Rejected, error.code(), &error.to_string()),
        };
        let settings =
            redis::settings(&self.redis_env, self.redis_roots.as_deref(), self.redis_sentinels_env.as_deref())?;
        let settings = self.redis_prefix.iter().fold(settings, RedisSettings::prefix);
        let published = runtime::current_thread()?.block_on(async {
            let bundles = RedisBundles::connect_in_background(settings, self.fleet.as_str())?;
            let bundles = if self.shadow { bundles.shadow() } else { bundles };
            Ok::<_, crate::exit::Failure>(bundles.publish(&text, &pins).await)
        })?;
        match published {
            Ok(is_new) => self.published(revision, is_new),
            Err(error) => {
                let is_unavailable = error.kind() == BundlePublishErrorKind::Unavailable;
                let exit = if is_unavailable { Exit::Undecided } else { Exit::Rejected };
                self.refused(exit, error.code(), &error.to_string())
            }
        }
    }

    fn published(&self, revision: u64, is_new: bool) -> Outcome {
        if self.json {
            output::json(&json!({ "published": true, "revision": revision, "fleet": self.fleet, "is_new": is_new }))?;
            return Ok(Exit::Done);
        }
        let kind = if self.shadow { " as a shadow" } else { "" };
        let before = if is_new { "" } else { " before" };
        let fleet = output::safe(&self.fleet);
        output::line(&toned(Tone::Good, &format!("published{kind}{before}: revision {revision} for {fleet}")))?;
        Ok(Exit::Done)
    }

    /// `text` begins with the code.
    fn refused(&self, exit: Exit, code: &str, text: &str) -> Outcome {
        let problem = text.strip_prefix(code).and_then(|text| text.strip_prefix(": ")).unwrap_or(text);
        match self.json {
            true => output::json(&json!({ "published": false, "code": code, "problem": problem }))?,
            false => output::line(&toned(Tone::Bad, &format!("not published: {code}: {}", output::safe(problem))))?,
        }
        Ok(exit)
    }
}
