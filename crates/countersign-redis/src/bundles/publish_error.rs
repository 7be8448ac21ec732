//! The reason why a bundle is not published.

use std::fmt;

use countersign::bundle::{BundleError, BundleErrorKind};
use countersign_core::integration::word;

use crate::link::Failure;

/// The reason why a bundle is not published: a kind with a stable code, and a text for operators without anything secret.
///
/// ```no_run
/// use countersign::bundle::BundleVerifier;
/// use countersign_redis::{BundlePublishErrorKind, RedisBundles};
///
/// # async fn example(bundles: RedisBundles, document: &str, pins: BundleVerifier) {
/// match bundles.publish(document, &pins).await {
///     Ok(_) => println!("published"),
///     Err(error) if error.kind() == BundlePublishErrorKind::Unavailable => println!("try again later: {error}"),
///     Err(error) => println!("{}: {error}", error.code()),
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct BundlePublishError {
    kind: BundlePublishErrorKind,
    code: &'static str,
    problem: String,
    source: Option<BundleError>,
}

/// The kinds of [`BundlePublishError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BundlePublishErrorKind {
    /// No service of the fleet would accept the bundle. The code is that of the [`BundleError`].
    Refused,
    /// A later revision is published, or another document of the same revision. The code is `bundle_older_revision` or
    /// `bundle_same_revision`.
    NotNewer,
    /// The key has something else than a published bundle. The code is `not_a_bundle`.
    NotABundle,
    /// Redis cannot be used. The code is `redis_unavailable`.
    Unavailable,
}

impl BundlePublishError {
    pub(super) fn refused(error: BundleError) -> Self {
        let (code, text) = (error.code(), error.to_string());
        let problem = text.strip_prefix(code).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text).to_owned();
        BundlePublishError { kind: BundlePublishErrorKind::Refused, code, problem, source: Some(error) }
    }

    pub(super) fn other_fleet(fleet: &str) -> Self {
        BundlePublishError {
            kind: BundlePublishErrorKind::Refused,
            code: BundleErrorKind::WrongFleet.code(),
            problem: format!("it is for another fleet than {}; connect for the fleet of its bundle", word(fleet)),
            source: None,
        }
    }

    pub(super) fn not_newer(revision: u64, published: u64, key: &str) -> Self {
        let (code, problem) = match revision == published {
            true => {
                (BundleErrorKind::SameRevision.code(), format!("another document of revision {revision} is published"))
            }
            false => {
                (BundleErrorKind::OlderRevision.code(), format!("revision {revision}, and {published} is published"))
            }
        };
        let problem = format!("{problem}; sign the next revision, or delete the key {key} to begin again");
        BundlePublishError { kind: BundlePublishErrorKind::NotNewer, code, problem, source: None }
    }

    pub(super) fn foreign(key: &str) -> Self {
        let problem = format!("the key {key} has something else than a published bundle; delete it");
        BundlePublishError { kind: BundlePublishErrorKind::NotABundle, code: "not_a_bundle", problem, source: None }
    }

    pub(super) fn unavailable(failure: Failure) -> Self {
        BundlePublishError {
            kind: BundlePublishErrorKind::Unavailable,
            code: "redis_unavailable",
            problem: failure.words().to_owned(),
            source: None,
        }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> BundlePublishErrorKind {
        self.kind
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for BundlePublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.problem)
    }
}

impl std::error::Error for BundlePublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
