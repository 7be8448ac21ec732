//! The interface of places that bundles come from.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::bundle::MAX_BUNDLE_BYTES;
use countersign_core::error::ConfigError;
use countersign_core::integration::safe_text_within;

/// The future of [`BundleSource::pull`].
pub type BundleFuture<'a> = Pin<Box<dyn Future<Output = Result<PulledBundle, BundleSourceError>> + Send + 'a>>;

/// The future of [`BundleSource::changed`].
pub type HintFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A place that policy bundles come from, such as a store of your own, for
/// [`PolicyBundle::from_source`](super::PolicyBundle::from_source).
///
/// Nothing that a source returns is trusted: each document is checked as one from an address or a file is. A pull ends after 10 s.
///
/// ```
/// use countersign::reload::{BundleFuture, BundleRequest, BundleSource, BundleSourceError, BundleSourceErrorKind, PulledBundle};
///
/// #[derive(Debug)]
/// struct Mounted;
///
/// impl BundleSource for Mounted {
///     fn name(&self) -> String {
///         "the mounted volume".to_owned()
///     }
///
///     fn pull<'a>(&'a self, request: &'a BundleRequest) -> BundleFuture<'a> {
///         Box::pin(async move {
///             match std::fs::read("/etc/orders/policy.jws") {
///                 Ok(bytes) if bytes.len() > request.max_bytes => Err(BundleSourceError::too_large()),
///                 Ok(bytes) => Ok(PulledBundle::Document { bytes, validator: None }),
///                 Err(error) => Err(BundleSourceError::new(BundleSourceErrorKind::Unavailable, error.to_string())),
///             }
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of bundles",
    label = "expected a source of bundles",
    note = "use `PolicyBundle::from_url`, `PolicyBundle::from_file` or `countersign_redis::RedisBundles`, \
            or implement `BundleSource`"
)]
pub trait BundleSource: Debug + Send + Sync + 'static {
    /// The name in logs, errors and reports, such as an address. It contains no secret.
    fn name(&self) -> String;

    /// Gets the document, unless it is still the one of the request's validator.
    ///
    /// # Errors
    /// The reason why there is none. The last good bundle then stays in force.
    fn pull<'a>(&'a self, request: &'a BundleRequest) -> BundleFuture<'a>;

    /// Completes when there may be another document than at the last pull, so that the next pull comes sooner. Default: never.
    ///
    /// Hints cause at most one pull a second, however many there are. The future is dropped and called for again between pulls, so
    /// a source keeps a hint that comes while nobody waits, as [`tokio::sync::Notify`] does.
    fn changed(&self) -> HintFuture<'_> {
        Box::pin(std::future::pending())
    }
}

impl<S: BundleSource + ?Sized> BundleSource for Arc<S> {
    fn name(&self) -> String {
        S::name(self)
    }

    fn pull<'a>(&'a self, request: &'a BundleRequest) -> BundleFuture<'a> {
        S::pull(self, request)
    }

    fn changed(&self) -> HintFuture<'_> {
        S::changed(self)
    }
}

/// The request to a [`BundleSource`], which has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleRequest {
    /// The validator of the document that the service has; `None` if it needs the document.
    pub validator: Option<Vec<u8>>,
    /// The longest document that is accepted, in bytes. A source reads no more.
    pub max_bytes: usize,
}

impl BundleRequest {
    pub(super) fn new(validator: Option<&[u8]>) -> Self {
        BundleRequest { validator: validator.map(<[u8]>::to_vec), max_bytes: MAX_BUNDLE_BYTES }
    }
}

/// The answer of a [`BundleSource`], which has an example.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PulledBundle {
    /// The document is still the one of the request's validator.
    Unchanged,
    /// The document.
    Document {
        /// Its bytes, as they were signed.
        bytes: Vec<u8>,
        /// The source recognizes this document by it at the next pull, as by an `ETag` (RFC 9110 §8.8); `None` if it cannot.
        validator: Option<Vec<u8>>,
    },
}

/// Without the document, which is long.
impl Debug for PulledBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PulledBundle::Unchanged => f.write_str("Unchanged"),
            PulledBundle::Document { bytes, validator } => f
                .debug_struct("Document")
                .field("bytes", &bytes.len())
                .field("has_validator", &validator.is_some())
                .finish(),
        }
    }
}

/// The reason why a [`BundleSource`] has no document. Its text is escaped and cut.
///
/// ```
/// use countersign::reload::{BundleSourceError, BundleSourceErrorKind};
///
/// let error = BundleSourceError::new(BundleSourceErrorKind::Unavailable, "the store does not answer in time");
/// assert_eq!(error.code(), "source_unavailable");
/// assert_eq!(error.to_string(), "source_unavailable: the store does not answer in time");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct BundleSourceError {
    kind: BundleSourceErrorKind,
    problem: String,
    retry_after: Option<Duration>,
}

/// The kinds of [`BundleSourceError`].
///
/// ```
/// use countersign::reload::BundleSourceErrorKind;
///
/// assert_eq!(BundleSourceErrorKind::Missing.code(), "source_missing");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BundleSourceErrorKind {
    /// There is no document.
    Missing,
    /// The source is not reached, does not answer in time, or refuses.
    Unavailable,
    /// The document is longer than [`BundleRequest::max_bytes`].
    TooLarge,
    /// The source has something else than a document.
    Unusable,
}

impl BundleSourceErrorKind {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            BundleSourceErrorKind::Missing => "source_missing",
            BundleSourceErrorKind::Unavailable => "source_unavailable",
            BundleSourceErrorKind::TooLarge => "source_too_large",
            BundleSourceErrorKind::Unusable => "source_unusable",
        }
    }
}

impl BundleSourceError {
    /// An error with this text for operators, which states the problem and the fix. It is cut after 300 characters.
    pub fn new(kind: BundleSourceErrorKind, problem: impl AsRef<str>) -> Self {
        BundleSourceError::of(kind, safe_text_within(problem.as_ref(), MAX_PROBLEM_CHARS))
    }

    /// The error of a document that is longer than 1 MiB.
    pub fn too_large() -> Self {
        BundleSourceError::of(BundleSourceErrorKind::TooLarge, format!("longer than {MAX_BUNDLE_BYTES} bytes"))
    }

    /// Sets the pause that the source asks for. It is respected up to a minute, also after hints.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause.min(LONGEST_RETRY_AFTER));
        self
    }

    /// `problem` must be safe to print.
    pub(super) fn of(kind: BundleSourceErrorKind, problem: String) -> Self {
        BundleSourceError { kind, problem, retry_after: None }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> BundleSourceErrorKind {
        self.kind
    }

    /// The stable code of the kind.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Returns whether the source has no document.
    pub(super) fn is_missing(&self) -> bool {
        self.kind == BundleSourceErrorKind::Missing
    }

    /// The pause that the source asks for.
    pub(super) fn pause(&self) -> Duration {
        self.retry_after.unwrap_or_default()
    }

    /// The same as the error of a policy.
    pub(super) fn as_config_error(&self) -> ConfigError {
        ConfigError::new("policy_bundle", self.problem.clone())
    }
}

impl fmt::Display for BundleSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.problem)
    }
}

impl std::error::Error for BundleSourceError {}

/// The longest text of an error, in characters.
const MAX_PROBLEM_CHARS: usize = 300;

/// The longest pause that a source may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
