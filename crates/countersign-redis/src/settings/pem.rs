//! PEM text, given or in a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use countersign::integration::read_text;
use countersign::secret::Secret;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// PEM text, or the file that has it.
#[derive(Clone)]
pub(super) enum Pem {
    Text(Arc<Secret<String>>),
    File(PathBuf),
}

impl Pem {
    /// The text now. Blocks while it reads a file.
    pub(super) fn read(&self) -> std::io::Result<Arc<Secret<String>>> {
        match self {
            Pem::Text(text) => Ok(Arc::clone(text)),
            Pem::File(path) => Ok(Arc::new(Secret::new(read_text(path, MAX_FILE_BYTES)?))),
        }
    }
}

impl From<Secret<String>> for Pem {
    fn from(text: Secret<String>) -> Self {
        Pem::Text(Arc::new(text))
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
