//! A key set in a file, such as a mounted secret, read anew as it changes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeySet, KeySource, KeySourceInfo, MAX_JWKS_BYTES, RefreshFuture, RefreshReason, SourceContext,
};

use super::kept::{Ask, KeptKeys, KeyPlace};
use crate::fetch::FetchFailure;
use crate::refresh::{FetchFuture, Fresh, RefreshPolicy};
use crate::telemetry;

/// How often the file is read.
const READ_EVERY: Duration = Duration::from_secs(10);

/// A JWK Set in a file. It is read at first use, then every ten seconds, and at once for an unknown `kid` (at most once a
/// second). A file that cannot be read or used keeps the last good keys in service, for at most a day.
///
/// A warning is logged where others than the owner may write the file, and where others may read one that holds a private
/// key; such keys are never used.
///
/// ```
/// use std::sync::Arc;
/// use countersign::keys::FileKeys;
/// use countersign::policy::NeedsAudience;
///
/// let keys = FileKeys::new("/etc/orders/issuer-keys.json");
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(keys)).audience("orders");
/// # let _ = issuer;
/// ```
pub struct FileKeys {
    place: Arc<FilePlace>,
    kept: KeptKeys,
}

impl FileKeys {
    /// The keys in this file, now and as it changes.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.display().to_string();
        let policy = RefreshPolicy {
            default_lifetime: READ_EVERY,
            min_lifetime: Duration::from_secs(1),
            refresh_ahead: 0.95,
            jitter: 0.0,
            cool_down: Duration::from_secs(1),
            max_backoff: READ_EVERY,
            ..RefreshPolicy::default()
        };
        FileKeys { place: Arc::new(FilePlace { path, name, last: Mutex::default() }), kept: KeptKeys::new(policy) }
    }

    /// Counts ages on this clock; it must be the verifier's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.kept.clock = clock.into();
        self
    }
}

impl KeySource for FileKeys {
    fn cell(&self) -> &KeyCell {
        self.kept.cell()
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(self.kept.refresh(&self.place, reason))
    }

    fn describe(&self) -> KeySourceInfo {
        self.kept.describe(format!("file {}", self.place.name))
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        self.kept.attach(context)
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeys").field("path", &self.place.path).field("cell", self.cell()).finish_non_exhaustive()
    }
}

struct FilePlace {
    path: PathBuf,
    name: String,
    /// The content last read, and its set.
    last: Mutex<Option<(Vec<u8>, Arc<KeySet>)>>,
}

impl FilePlace {
    fn read(&self, held: Option<&Arc<KeySet>>) -> Result<Fresh<KeySet>, FetchFailure> {
        let content = read_bounded(&self.path, MAX_JWKS_BYTES)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, set)) = &*last
            && *same == content
            && held.is_some_and(|held| Arc::ptr_eq(held, set))
        {
            return Ok(Fresh { value: Arc::clone(set), life: None });
        }
        let set = KeySet::from_jwks(&content)
            .map_err(|_| FetchFailure::Unusable("the file is no JWK Set with a usable key"))?;
        self.warn_of_the_mode(&set);
        let value = Arc::new(set);
        *last = Some((content, Arc::clone(&value)));
        Ok(Fresh { value, life: None })
    }

    #[cfg(unix)]
    fn warn_of_the_mode(&self, set: &KeySet) {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o022 != 0 {
            telemetry::key_file_is_open(&self.name, "others than its owner may write it");
        }
        if mode & 0o044 != 0 && set.skipped().iter().any(|skipped| skipped.is_private_key) {
            telemetry::key_file_is_open(&self.name, "it holds a private key that others may read");
        }
    }

    #[cfg(not(unix))]
    fn warn_of_the_mode(&self, _: &KeySet) {}
}

impl KeyPlace for FilePlace {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(self: Arc<Self>, ask: Ask) -> FetchFuture<KeySet, FetchFailure> {
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || self.read(ask.held.as_ref()));
            read.await.unwrap_or(Err(FetchFailure::Broken))
        })
    }
}

/// Reads a file of at most `most` bytes.
pub(super) fn read_bounded(path: &Path, most: usize) -> Result<Vec<u8>, FetchFailure> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|_| FetchFailure::Unusable("the file cannot be opened"))?;
    let mut content = Vec::new();
    let read = file.take(most as u64 + 1).read_to_end(&mut content);
    read.map_err(|_| FetchFailure::Unusable("the file cannot be read"))?;
    if content.len() > most { Err(FetchFailure::TooLarge) } else { Ok(content) }
}
