//! Files that a configuration names.

use std::path::Path;

use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

use crate::file;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The path of `file`, from `folder` if it is relative, as text.
pub(super) fn joined(folder: &Path, file: &str, field: &'static str) -> Result<String, ConfigError> {
    let joined = folder.join(file).into_os_string().into_string();
    joined.map_err(|_| ConfigError::new(field, "the path of the folder is not UTF-8"))
}

pub(super) fn read_file(path: &Path, field: &'static str) -> Result<Secret<String>, ConfigError> {
    file::read(file::open(path, field)?, path, MAX_FILE_BYTES, field)
}
