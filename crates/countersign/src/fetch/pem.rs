//! PEM text, given or in a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::error::Fault;
use countersign_core::integration::safe_text;
use countersign_core::secret::Secret;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

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
            Pem::File(path) => read_bounded(path).map(|text| Arc::new(Secret::new(text))).map_err(|_| {
                let shown = safe_text(&path.to_string_lossy());
                let problem = format!("the file {shown} cannot be read as PEM text of at most 1 MiB; check it");
                Fault::new("connection", problem)
            }),
        }
    }

    /// ` in the file …`, or nothing.
    pub(super) fn in_words(&self) -> String {
        match self {
            Pem::Text(_) => String::new(),
            Pem::File(path) => format!(" in the file {}", safe_text(&path.to_string_lossy())),
        }
    }

    /// Returns whether the text may change.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Pem::File(_))
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
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
