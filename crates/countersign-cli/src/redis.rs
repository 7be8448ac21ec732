//! The Redis or Valkey that a command uses.

use std::path::Path;

use countersign::secret::Secret;
use countersign_redis::RedisSettings;

use crate::exit::Failure;

/// The server whose URL the environment variable `url` has, the authorities of its certificate, and the sentinels whose URLs, with
/// spaces between them, the variable `sentinels` has.
pub(crate) fn settings(url: &str, roots: Option<&Path>, sentinels: Option<&str>) -> Result<RedisSettings, Failure> {
    let settings = RedisSettings::new(Secret::from_env(url)?);
    let settings = roots.into_iter().fold(settings, RedisSettings::add_roots_file);
    let Some(variable) = sentinels else { return Ok(settings) };
    let urls = Secret::from_env(variable)?;
    Ok(settings.sentinels(urls.expose().split_ascii_whitespace()))
}
