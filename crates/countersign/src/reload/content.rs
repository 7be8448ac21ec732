//! The content of a policy file.

use std::io::ErrorKind;
use std::path::Path;

use countersign_core::error::ConfigError;
use countersign_core::policy::Policy;

use crate::file::read_text;

/// The largest policy file that is read, in bytes.
const MAX_POLICY_BYTES: usize = 1024 * 1024;

/// Reads the file, as text of bounded size.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    read_text(path, MAX_POLICY_BYTES).map_err(|error| {
        ConfigError::new(
            "policy_file",
            match error.kind() {
                ErrorKind::InvalidInput => "not a regular file; name the policy file itself".to_owned(),
                ErrorKind::FileTooLarge => format!("longer than {MAX_POLICY_BYTES} bytes; shorten it"),
                ErrorKind::InvalidData => "not UTF-8 text; write TOML or JSON".to_owned(),
                _ => format!("not readable: {error}"),
            },
        )
    })
}

/// As [`read`], of a file that may be missing.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, ConfigError> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        _ => read(path).map(Some),
    }
}

/// Reads JSON if the text begins with `{`, otherwise TOML.
pub(super) fn parse(text: &str) -> Result<Policy, ConfigError> {
    if text.trim_start().starts_with('{') {
        return Policy::from_json(text);
    }
    #[cfg(feature = "config")]
    return Policy::from_toml(text);
    #[cfg(not(feature = "config"))]
    Err(ConfigError::new("policy_file", "not JSON, and TOML needs the feature config; enable it"))
}
