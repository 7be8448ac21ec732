//! The place of an open file: whether its path still leads to it.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use countersign_core::error::ConfigError;

use super::{StoreError, StoreErrorKind};

/// The path of an open file, and which file that is.
#[derive(Debug)]
pub(super) struct FilePlace {
    path: PathBuf,
    identity: Identity,
}

impl FilePlace {
    /// The place of `file`, which was opened by `path`.
    pub(super) fn new(path: &Path, file: &File) -> Result<Self, ConfigError> {
        let unusable = |error: io::Error| ConfigError::new("store", format!("the file is not usable: {error}"));
        let path = std::path::absolute(path).map_err(unusable)?;
        let identity = file.metadata().map(|about| Identity::of(&about)).map_err(unusable)?;
        Ok(FilePlace { path, identity })
    }

    /// Checks that the path leads to the open file. What is written to another one is lost at the next start.
    ///
    /// # Errors
    /// Of the kind `gone` if the file was deleted or replaced, otherwise `Failed` if it is unknown.
    pub(super) fn check(&self, gone: StoreErrorKind) -> Result<(), StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(about) if Identity::of(&about) == self.identity => Ok(()),
            Ok(_) => Err(StoreError::new(gone).with_detail("the file was replaced")),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(StoreError::new(gone).with_detail("the file was deleted"))
            }
            Err(error) => Err(StoreError::new(StoreErrorKind::Failed).with_detail(error.to_string())),
        }
    }
}

/// Distinguishes a file from every other one that exists at the same time.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device_and_number: (u64, u64),
}

impl Identity {
    #[cfg(unix)]
    fn of(about: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Identity { device_and_number: (about.dev(), about.ino()) }
    }

    /// Windows keeps the path of an open file.
    #[cfg(not(unix))]
    fn of(_: &std::fs::Metadata) -> Self {
        Identity {}
    }
}
