//! PEM text, given or in a file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use countersign::secret::Secret;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

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
            Pem::File(path) => {
                if !std::fs::metadata(path)?.is_file() {
                    return Err(std::io::ErrorKind::InvalidInput.into()); // a pipe would wait for a writer
                }
                let mut text = String::new();
                File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
                Ok(Arc::new(Secret::new(text)))
            }
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
