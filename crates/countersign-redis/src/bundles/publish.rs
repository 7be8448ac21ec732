//! The step that publishes a bundle.

use redis::{Value, from_redis_value};

use super::head::{digest_of, value};
use super::keys::Keys;
use super::publish_error::BundlePublishError;
use crate::link::{Failure, Link, ServerScript};

static REPLACE: ServerScript = ServerScript::new(include_str!("replace.lua"));

/// Replaces the bundle by a later one, and hints. Returns false if it is there already.
pub(super) async fn replace(
    link: &Link,
    keys: &Keys,
    revision: u64,
    document: &str,
) -> Result<bool, BundlePublishError> {
    let arguments = [revision.to_string(), digest_of(document), value(revision, document)];
    let keys_of = [keys.document.clone(), keys.hints.clone()];
    let answer = REPLACE.run(link, &keys_of, &arguments).await.map_err(BundlePublishError::unavailable)?;
    match Outcome::of(answer) {
        Some(Outcome::Replaced) => Ok(true),
        Some(Outcome::Same) => Ok(false),
        Some(Outcome::NotNewer(known)) => Err(BundlePublishError::not_newer(revision, known, &keys.document)),
        Some(Outcome::Foreign) => Err(BundlePublishError::foreign(&keys.document)),
        None => Err(BundlePublishError::unavailable(Failure::NOT_OF_SCRIPT)),
    }
}

/// The outcome of the script.
enum Outcome {
    Replaced,
    Same,
    /// This revision is there, or another document of the same one.
    NotNewer(u64),
    /// The key has something else than a bundle.
    Foreign,
}

impl Outcome {
    fn of(answer: Value) -> Option<Self> {
        let (outcome, revision): (u8, String) = from_redis_value(answer).ok()?;
        Some(match outcome {
            0 => Outcome::Replaced,
            1 => Outcome::Same,
            2 => Outcome::NotNewer(revision.parse().ok()?),
            3 => Outcome::Foreign,
            _ => return None,
        })
    }
}
