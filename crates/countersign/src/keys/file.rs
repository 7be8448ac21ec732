//! Keys from a JWK Set file, such as a mounted secret, read again as it changes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeySet, KeySource, KeySourceInfo, MAX_JWKS_BYTES, RefreshFuture, RefreshReason, SettingsDigest,
    SourceContext,
};
use http::HeaderMap;

use super::location::{KeyDocument, KeyLocation, KeyRequest, failure};
use super::refreshing::RefreshingKeys;
use super::snapshot::KeySnapshot;
use crate::fetch::{FetchFailure, unexpected_form};
use crate::refresh::{FetchFuture, Fetched, RefreshPolicy};
use crate::{file, telemetry};

/// The interval between reads of the file.
const READ_EVERY: Duration = Duration::from_secs(10);

/// Keys from a JWK Set file. It is read at first use, then every ten seconds, and at once for an unknown `kid` (at most once
/// per second). If the file becomes unreadable or unusable, the last good keys stay in use, for at most a day. If it is
/// removed, or contains an empty set, they stay in use for less than a minute.
///
/// A warning is logged if users other than the owner can write the file, or can read one that holds a private key. Private
/// keys are never used.
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
#[derive(Debug)]
pub struct FileKeys(RefreshingKeys<FileLocation>);

impl FileKeys {
    /// The keys in this file, now and as it changes.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_document(path.into(), KeyDocument::JwkSet)
    }

    /// The keys for JWT-SVIDs in the trust bundle of a SPIFFE trust domain, now and as it changes.
    ///
    /// `spire-server bundle show -format spiffe` writes one. `spiffe-helper` writes a plain JWK Set, which [`new`](Self::new)
    /// reads.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign::issuers::Preset;
    /// use countersign::keys::FileKeys;
    ///
    /// let keys = Arc::new(FileKeys::from_spiffe_bundle("/run/spiffe/bundle.json"));
    /// let issuer = Preset::SPIFFE.issuer("spiffe://shop.example").keys(keys).audience("orders");
    /// # let _ = issuer;
    /// ```
    pub fn from_spiffe_bundle(path: impl Into<PathBuf>) -> Self {
        Self::with_document(path.into(), KeyDocument::SpiffeBundle)
    }

    fn with_document(path: PathBuf, document: KeyDocument) -> Self {
        let name = path.display().to_string();
        let policy = RefreshPolicy {
            default_lifetime: READ_EVERY,
            min_lifetime: Duration::from_secs(1),
            refresh_ahead: 0.95,
            jitter: 0.0,
            cool_down: Duration::from_secs(1),
            min_cool_down: Duration::from_secs(1),
            max_backoff: READ_EVERY,
            ..RefreshPolicy::default()
        };
        FileKeys(RefreshingKeys::new(FileLocation { path, name, document, last: Mutex::default() }, policy))
    }

    /// Sets lifetimes and pauses other than the defaults; impossible ones are reported when the verifier is built.
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.0.policy = policy;
        self
    }

    /// Starts with the keys of an earlier run, so that a cold start need not wait for the first fetch.
    #[must_use]
    pub fn initial_snapshot(mut self, snapshot: KeySnapshot) -> Self {
        self.0.initial_snapshot = Some(snapshot);
        self
    }

    /// The current keys, for the next start; `None` before the first fetch.
    #[must_use]
    pub fn snapshot(&self) -> Option<KeySnapshot> {
        self.0.snapshot()
    }
}

impl KeySource for FileKeys {
    fn cell(&self) -> &KeyCell {
        self.0.cell()
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        self.0.refresh(reason, None)
    }

    fn refresh_for_key<'a>(&'a self, key_id: Option<&'a str>) -> RefreshFuture<'a> {
        self.0.refresh(RefreshReason::MissingKey, key_id)
    }

    fn record_use(&self) {
        self.0.record_use();
    }

    fn describe(&self) -> KeySourceInfo {
        self.0.describe()
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        self.0.attach(context)
    }

    fn detach(&self) {
        self.0.detach();
    }
}

struct FileLocation {
    path: PathBuf,
    name: String,
    document: KeyDocument,
    /// The content last read, with its set.
    last: Mutex<Option<(Vec<u8>, Arc<KeySet>)>>,
}

impl FileLocation {
    fn read(&self, current: Option<&Arc<KeySet>>) -> Result<Fetched<KeySet>, FetchFailure> {
        let read = read_bounded(&self.path, MAX_JWKS_BYTES);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_err() && (last.is_some() || current.is_some()) && is_gone(&self.path) {
            return Err(FetchFailure::NoKeys);
        }
        let content = read?;
        if let Some((same, set)) = &*last
            && *same == content
            && current.is_some_and(|current| Arc::ptr_eq(current, set))
        {
            return Ok(Fetched { value: Arc::clone(set), lifetime: None });
        }
        let set =
            self.document.read(&content).map_err(|rejected| match unexpected_form(&HeaderMap::new(), &content) {
                Some(form) => FetchFailure::Content(format!("the file is no {}, but {form}", self.document.name())),
                None => failure(&rejected),
            })?;
        self.warn_about_permissions(&set);
        let value = Arc::new(set);
        *last = Some((content, Arc::clone(&value)));
        Ok(Fetched { value, lifetime: None })
    }

    #[cfg(unix)]
    fn warn_about_permissions(&self, set: &KeySet) {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o022 != 0 {
            telemetry::key_file_permissions(&self.name, "writable by users other than its owner");
        }
        if mode & 0o044 != 0 && set.skipped().iter().any(|skipped| skipped.is_private_key) {
            telemetry::key_file_permissions(&self.name, "holds a private key and is readable by others");
        }
    }

    #[cfg(not(unix))]
    fn warn_about_permissions(&self, _: &KeySet) {}
}

impl KeyLocation for FileLocation {
    fn name(&self) -> &str {
        &self.name
    }

    fn origin(&self) -> String {
        format!("file {}", self.name)
    }

    fn settings(&self) -> SettingsDigest {
        SettingsDigest::of(&self.document)
    }

    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn fetch(self: Arc<Self>, request: KeyRequest) -> FetchFuture<KeySet, FetchFailure> {
        Box::pin(async move {
            let path = self.path.clone();
            let read = file::in_turn(&path, move || self.read(request.current.as_ref())).await;
            read.unwrap_or(Err(FetchFailure::Broken))
        })
    }
}

/// Returns whether there is no file, in contrast to one that cannot be read.
fn is_gone(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Reads a file of at most `max_bytes`.
pub(super) fn read_bounded(path: &Path, max_bytes: usize) -> Result<Vec<u8>, FetchFailure> {
    file::read_bytes(path, max_bytes).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => FetchFailure::TooLarge,
        ErrorKind::InvalidInput => {
            FetchFailure::Unusable("the path leads to no regular file, but to a folder, pipe or device")
        }
        _ => FetchFailure::Unusable("the file cannot be read"),
    })
}
