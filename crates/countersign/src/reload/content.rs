//! The content of a policy file.

use std::io::Read;
use std::path::Path;

use countersign_core::error::ConfigError;
use countersign_core::policy::Policy;

/// The largest policy file that is read, in bytes.
const MAX_POLICY_BYTES: usize = 1024 * 1024;

/// Reads the file, as text of bounded size.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let fault = |problem: String| ConfigError::new("policy_file", problem);
    let broken = |error: std::io::Error| fault(format!("not readable: {error}"));
    if !std::fs::metadata(path).map_err(broken)?.is_file() {
        return Err(fault("not a file; name the policy file itself".to_owned()));
    }
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(broken)?;
    file.take(MAX_POLICY_BYTES as u64 + 1).read_to_end(&mut content).map_err(broken)?;
    if content.len() > MAX_POLICY_BYTES {
        return Err(fault(format!("longer than {MAX_POLICY_BYTES} bytes; shorten it")));
    }
    String::from_utf8(content).map_err(|_| fault("not UTF-8 text; write TOML or JSON".to_owned()))
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
