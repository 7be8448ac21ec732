//! The file or other output that lines are written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use countersign_core::clock::{Clock, SystemClock};

use crate::telemetry::AuditFailures;

/// A file or another output.
pub(super) enum Output {
    File(LogFile),
    Any(Box<dyn Write + Send>),
}

/// A file that is opened again when its name belongs to another one, or to none.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Set after a write that may have left a part of a line.
    is_torn: bool,
}

impl Output {
    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8], failures: &mut AuditFailures) -> io::Result<()> {
        match self {
            Output::File(file) => file.write(lines, failures),
            // A panic would end the thread, and with it the audit log.
            Output::Any(output) => catch_unwind(AssertUnwindSafe(|| {
                output.write_all(lines)?;
                output.flush()
            }))
            .unwrap_or_else(|_| Err(Error::other("the output panicked"))),
        }
    }
}

impl LogFile {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(LogFile { path, file, is_torn: false })
    }

    fn write(&mut self, lines: &[u8], failures: &mut AuditFailures) -> io::Result<()> {
        if !is_named(&self.file, &self.path) {
            match open(&self.path) {
                Ok(file) => (self.file, self.is_torn) = (file, false),
                // A service that may not create files goes on with the renamed one.
                Err(error) if has_a_name(&self.file) => failures.not_opened(&error, SystemClock.elapsed()),
                Err(error) => return Err(error),
            }
        }
        if self.is_torn {
            self.file.write_all(b"\n")?;
        }
        let result = self.file.write_all(lines);
        self.is_torn = result.is_err();
        result
    }
}

/// Opens a regular file to append to it. A pipe would wait for a reader, so its kind is looked at first.
fn open(path: &Path) -> io::Result<File> {
    let not_regular =
        || Error::new(ErrorKind::InvalidInput, "not a regular file; give AuditWriter::new the output itself");
    if std::fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return Err(not_regular());
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Returns whether the path still leads to this file.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |about: &std::fs::Metadata| (about.dev(), about.ino());
    matches!((&file.metadata(), &std::fs::metadata(path)), (Ok(open), Ok(named)) if identity(open) == identity(named))
}

/// Returns whether the file is in some folder: what is written to a removed one is lost.
#[cfg(unix)]
fn has_a_name(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    file.metadata().is_ok_and(|about| about.nlink() > 0)
}

#[cfg(not(unix))]
fn has_a_name(_: &File) -> bool {
    false
}

/// The system keeps an open file from being renamed, unless its opener permits that.
#[cfg(not(unix))]
fn is_named(_: &File, path: &Path) -> bool {
    path.exists()
}
