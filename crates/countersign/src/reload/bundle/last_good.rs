//! The file of the last good bundle, for starts while the source is down.

use std::path::Path;
use std::time::Duration;

use countersign_core::bundle::{Bundle, BundleVerifier};

use super::source::read_bounded;
use crate::file::{in_turn, replace_file};
use crate::rt;

/// The longest write of the file.
const MAX_WRITE: Duration = Duration::from_secs(10);

/// Reads the bundle, whose signature and fleet are checked, and not its times; `None` if there is no file.
///
/// # Errors
/// The reason, if there is one that is not usable.
pub(super) async fn read(path: &Path, bundles: &BundleVerifier) -> Result<Option<(String, Bundle)>, String> {
    match read_bounded(path).await {
        Ok(text) => match bundles.verify_at_any_time(&text) {
            Ok(bundle) => Ok(Some((text, bundle))),
            Err(error) => Err(error.to_string()),
        },
        Err(unreadable) if unreadable.is_missing => Ok(None),
        Err(unreadable) => Err(unreadable.text),
    }
}

/// Replaces the file in one step. Only its owner can read it.
///
/// # Errors
/// The reason, if it cannot be written in time.
pub(super) async fn write(path: &Path, text: &str) -> Result<(), String> {
    let (owned, text) = (path.to_owned(), text.to_owned());
    match rt::within(MAX_WRITE, in_turn(path, move || replace_file(&owned, text.as_bytes(), 0o600))).await {
        Some(Some(written)) => written.map_err(|error| format!("not writable: {error}")),
        Some(None) => Err("not writable: the write was aborted".to_owned()),
        None => Err("not writable: the write takes over 10 s; its disk may hang".to_owned()),
    }
}
