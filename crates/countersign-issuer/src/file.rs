//! Files that are read at start: only regular ones, and only whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use countersign_core::error::ConfigError;
use countersign_core::integration::safe_text;
use countersign_core::secret::Secret;

/// Opens a regular file, also through links, as mounted secrets have them. A pipe would wait for a writer, and a device may
/// never end. `field` names its purpose in errors.
pub(crate) fn open(path: &Path, field: &'static str) -> Result<File, ConfigError> {
    let unreadable = |error: std::io::Error| fault(path, field, &format!("cannot be read: {error}"));
    let checked = |about: std::fs::Metadata| match about.is_file() {
        true => Ok(()),
        false => Err(fault(path, field, "is not a regular file, but a folder, pipe or device; name a file")),
    };
    checked(std::fs::metadata(path).map_err(unreadable)?)?;
    let file = File::open(path).map_err(unreadable)?;
    checked(file.metadata().map_err(unreadable)?)?; // it may have been replaced in between
    Ok(file)
}

/// Reads the whole text of `file`, which was opened at `path`.
pub(crate) fn read(
    file: File,
    path: &Path,
    max_bytes: usize,
    field: &'static str,
) -> Result<Secret<String>, ConfigError> {
    let mut content = zeroize::Zeroizing::new(Vec::new());
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let read = file.take(limit).read_to_end(&mut content);
    read.map_err(|error| fault(path, field, &format!("cannot be read: {error}")))?;
    if content.len() > max_bytes {
        return Err(fault(path, field, &format!("is longer than {max_bytes} bytes; shorten it")));
    }
    match std::str::from_utf8(&content) {
        Ok(text) => Ok(Secret::from(text)),
        Err(_) => Err(fault(path, field, "is not UTF-8 text")),
    }
}

fn fault(path: &Path, field: &'static str, problem: &str) -> ConfigError {
    ConfigError::new(field, format!("the file {} {problem}", safe_text(&path.to_string_lossy())))
}
