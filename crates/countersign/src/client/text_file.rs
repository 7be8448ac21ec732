//! Text files of tokens, secrets and keys, read on a thread for blocking work.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::secret::Secret;

use super::error::ClientError;
use crate::{file, rt, telemetry};

/// The longest file read, in bytes.
const MAX_FILE_BYTES: usize = 16 * 1024;

/// The longest wait for a file, which may be on a disk that hangs.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Reads the text in a file without the white space around it. `content` names it in errors.
pub(crate) async fn read_text(path: &Path, content: &'static str) -> Result<Secret<String>, ClientError> {
    let owned = path.to_owned();
    let read = file::in_turn(path, move || read(&owned, content));
    rt::within(MAX_WAIT, read).await.flatten().unwrap_or_else(|| Err(unreadable(content)))
}

fn read(path: &Path, content: &'static str) -> Result<Secret<String>, ClientError> {
    match file::read_text(path, MAX_FILE_BYTES) {
        Ok(text) => Ok(Secret::from(Secret::new(text).expose().trim())),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(ClientError::refused(format!("the {content} file is over 16 KiB")))
        }
        Err(_) => Err(unreadable(content)),
    }
}

fn unreadable(content: &'static str) -> ClientError {
    let detail = format!("the {content} file cannot be read; check its path and permissions");
    ClientError::unavailable(detail)
}

/// A value from a file that is read at each use. While the file is unusable, the last good value is used and a warning is
/// logged.
pub(crate) struct RotatingFile<T> {
    path: PathBuf,
    content: &'static str,
    parse: Box<Parse<T>>,
    last: Mutex<Option<(Secret<String>, Arc<T>)>>,
    /// The last read failed, and a warning was logged.
    has_failed: AtomicBool,
}

type Parse<T> = dyn Fn(&Secret<String>) -> Result<T, ClientError> + Send + Sync;

impl<T> RotatingFile<T> {
    pub(crate) fn new(
        path: PathBuf,
        content: &'static str,
        parse: impl Fn(&Secret<String>) -> Result<T, ClientError> + Send + Sync + 'static,
    ) -> Self {
        let (last, has_failed) = (Mutex::default(), AtomicBool::new(false));
        RotatingFile { path, content, parse: Box::new(parse), last, has_failed }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The value. It is the same one, by address, until the file changes.
    pub(crate) async fn current(&self) -> Result<Arc<T>, ClientError> {
        let read = read_text(&self.path, self.content).await.and_then(|text| self.parsed(text));
        match read {
            Ok(value) => {
                self.has_failed.store(false, Ordering::Relaxed);
                Ok(value)
            }
            Err(error) => {
                if !self.has_failed.swap(true, Ordering::Relaxed) {
                    telemetry::secret_file_unusable(&self.path.display().to_string(), &error);
                }
                self.last().as_ref().map(|(_, value)| Arc::clone(value)).ok_or(error)
            }
        }
    }

    fn parsed(&self, text: Secret<String>) -> Result<Arc<T>, ClientError> {
        if text.expose().is_empty() {
            return Err(ClientError::unavailable(format!("the {} file is empty", self.content)));
        }
        let mut last = self.last();
        if let Some((_, value)) = last.as_ref().filter(|(read, _)| read.expose() == text.expose()) {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new((self.parse)(&text)?);
        if last.replace((text, Arc::clone(&value))).is_some() {
            telemetry::secret_file_changed(&self.path.display().to_string());
        }
        Ok(value)
    }

    fn last(&self) -> MutexGuard<'_, Option<(Secret<String>, Arc<T>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn s15_02_while_a_read_hangs_the_last_value_is_used() {
        let path = std::env::temp_dir().join(format!("countersign-hanging-{}", std::process::id()));
        std::fs::write(&path, " secret\n").expect("written");
        let rotating = RotatingFile::new(path.clone(), "secret", |text| Ok(text.clone()));
        let hanging = file::turn(&path).await; // of a thread that does not come back
        assert!(rotating.current().await.is_err(), "there is no last value");
        drop(hanging);
        let value = rotating.current().await.expect("readable");
        assert_eq!(value.expose(), "secret");
        let _hanging = file::turn(&path).await;
        let start = tokio::time::Instant::now();
        assert!(Arc::ptr_eq(&rotating.current().await.expect("the last value"), &value));
        assert_eq!(start.elapsed(), MAX_WAIT);
        std::fs::remove_file(&path).expect("removed");
    }
}
