//! Files that a configuration names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

pub(super) fn read_file(path: &Path, field: &'static str) -> Result<Secret<String>, ConfigError> {
    let unreadable = |_| ConfigError::new(field, format!("the file {} cannot be read", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Secret::new(text))
}
