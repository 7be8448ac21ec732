//! PEM text, given or in a file.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::error::Fault;
use countersign_core::integration::safe_text;
use countersign_core::secret::Secret;

use crate::file::read_text;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// PEM text, or the file that has it.
#[derive(Clone)]
pub(super) enum Pem {
    Text(Arc<Secret<String>>),
    File(PathBuf),
}

impl Pem {
    /// The text now. Files are read.
    pub(super) fn read(&self) -> Result<Arc<Secret<String>>, Fault> {
        match self {
            Pem::Text(text) => Ok(Arc::clone(text)),
            Pem::File(path) => {
                read_text(path, MAX_FILE_BYTES).map(|text| Arc::new(Secret::new(text))).map_err(|error| {
                    let shown = safe_text(&path.to_string_lossy());
                    let problem = match error.kind() {
                        ErrorKind::NotFound => format!("no such file: {shown}"),
                        ErrorKind::PermissionDenied => format!("the file {shown} may not be read by this process"),
                        _ => format!("the file {shown} cannot be read as PEM text of at most 1 MiB; check it"),
                    };
                    Fault::new("connection", problem)
                })
            }
        }
    }

    /// ` in the file …`, or nothing.
    pub(super) fn in_words(&self) -> String {
        match self {
            Pem::Text(_) => String::new(),
            Pem::File(path) => format!(" in the file {}", safe_text(&path.to_string_lossy())),
        }
    }

    /// The file, if the text may change.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Pem::Text(_) => None,
            Pem::File(path) => Some(path),
        }
    }
}

impl From<Secret<String>> for Pem {
    fn from(text: Secret<String>) -> Self {
        Pem::Text(Arc::new(text))
    }
}

/// By its text, or by the path of its file.
impl Hash for Pem {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Pem::Text(text) => (0_u8, text.expose()).hash(state),
            Pem::File(path) => (1_u8, path).hash(state),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::Text(_) => f.write_str("(PEM)"),
            Pem::File(path) => fmt::Debug::fmt(path, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_called_missing() {
        let fault = Pem::File(PathBuf::from("/nonexistent/ca.pem")).read().expect_err("no file");
        assert_eq!(fault.problem, "no such file: /nonexistent/ca.pem");
        let fault = Pem::File(std::env::temp_dir()).read().expect_err("a folder");
        assert!(fault.problem.contains("cannot be read as PEM text"), "{}", fault.problem);
    }
}
