//! The files that a configuration consists of.

use std::path::Path;

use countersign::integration;
use countersign_core::error::ConfigError;

/// The longest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// The text of a file, which field `field` names.
pub(super) fn read(path: &Path, field: &'static str) -> Result<String, ConfigError> {
    integration::read_text(path, MAX_FILE_BYTES)
        .map_err(|error| ConfigError::new(field, format!("{}: not readable: {error}", path.display())))
}
