//! The place that bundles come from.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::bundle::MAX_BUNDLE_BYTES;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::safe_text;
use http::{HeaderValue, StatusCode};

use super::bundle_source::{
    BundleRequest, BundleSource, BundleSourceError, BundleSourceErrorKind as Kind, HintFuture, PulledBundle,
};
use crate::fetch::{self, ConnectionSettings, FetchFailure};
use crate::file::{in_turn, read_text};
use crate::rt;

/// The longest read of a file, and the longest pull from a source of another crate.
const MAX_READ: Duration = Duration::from_secs(10);

/// An address, a file, or another source.
pub(in crate::reload) enum Source {
    Url { url: String, settings: ConnectionSettings },
    File(PathBuf),
    Other(Arc<dyn BundleSource>),
}

/// A document, with the validator for the next pull.
pub(super) struct Pulled {
    pub(super) text: String,
    pub(super) validator: Option<Vec<u8>>,
}

impl Source {
    pub(in crate::reload) fn from_url(url: String) -> Self {
        Source::Url { url, settings: ConnectionSettings::default() }
    }

    /// The settings of the connection to an address.
    pub(super) fn connection(&self) -> Option<&ConnectionSettings> {
        match self {
            Source::Url { settings, .. } => Some(settings),
            Source::File(_) | Source::Other(_) => None,
        }
    }

    pub(super) fn set_connection(&mut self, new: ConnectionSettings) {
        if let Source::Url { settings, .. } = self {
            *settings = new;
        }
    }

    /// The name for logs and errors. A query may hold a secret.
    pub(in crate::reload) fn shown(&self) -> String {
        match self {
            Source::Url { url, .. } => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            Source::File(path) => path.display().to_string(),
            Source::Other(source) => safe_text(&source.name()),
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        match self {
            Source::Url { url, settings } => {
                fetch::checked_url(url, "url").err().into_iter().chain(settings.faults()).collect()
            }
            Source::File(_) | Source::Other(_) => Vec::new(),
        }
    }

    /// Pulls the document.
    pub(super) async fn pull(&self) -> Result<Pulled, BundleSourceError> {
        self.pull_unless(None).await?.ok_or_else(nothing_new)
    }

    /// Pulls the document; `None` if it is still that of `known`.
    pub(super) async fn pull_unless(&self, known: Option<&[u8]>) -> Result<Option<Pulled>, BundleSourceError> {
        let pulled = match self {
            Source::Url { url, settings } => fetch(url, settings, known).await?,
            Source::File(path) => match read_bounded(path).await {
                Ok(text) => return Ok(Some(Pulled { text, validator: None })),
                Err(unreadable) => {
                    let kind = if unreadable.is_missing { Kind::Missing } else { Kind::Unavailable };
                    return Err(BundleSourceError::of(kind, unreadable.text));
                }
            },
            Source::Other(source) => {
                let request = BundleRequest::new(known);
                let late = || BundleSourceError::new(Kind::Unavailable, "the source does not answer within 10 s");
                rt::within(MAX_READ, source.pull(&request)).await.ok_or_else(late)??
            }
        };
        match pulled {
            PulledBundle::Unchanged if known.is_some() => Ok(None),
            PulledBundle::Unchanged => Err(nothing_new()),
            PulledBundle::Document { bytes, .. } if bytes.len() > MAX_BUNDLE_BYTES => {
                Err(BundleSourceError::too_large())
            }
            PulledBundle::Document { bytes, validator } => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(Pulled { text, validator })),
                Err(_) => Err(BundleSourceError::new(Kind::Unusable, "the response is not text")),
            },
        }
    }

    /// Completes when the source says that there may be another document.
    pub(super) fn changed(&self) -> HintFuture<'_> {
        match self {
            Source::Other(source) => source.changed(),
            Source::Url { .. } | Source::File(_) => Box::pin(std::future::pending()),
        }
    }
}

fn nothing_new() -> BundleSourceError {
    BundleSourceError::new(Kind::Unusable, "the source has nothing new, and nothing is known")
}

async fn fetch(
    url: &str,
    settings: &ConnectionSettings,
    known: Option<&[u8]>,
) -> Result<PulledBundle, BundleSourceError> {
    let url = fetch::checked_url(url, "url")
        .map_err(|fault| BundleSourceError::of(Kind::Unavailable, fault.problem.into_owned()))?;
    let etag = known.and_then(|known| HeaderValue::from_bytes(known).ok());
    let document = fetch::get_if_changed(settings, url, etag.as_ref(), MAX_BUNDLE_BYTES).await.map_err(|failure| {
        let kind = match &failure {
            FetchFailure::Status(StatusCode::NOT_FOUND, _) => Kind::Missing,
            FetchFailure::TooLarge => Kind::TooLarge,
            FetchFailure::Unusable(_) | FetchFailure::Content(_) => Kind::Unusable,
            _ => Kind::Unavailable,
        };
        let error = BundleSourceError::of(kind, failure.to_string());
        match failure {
            FetchFailure::Status(_, Some(pause)) => error.retry_after(pause),
            _ => error,
        }
    })?;
    Ok(document.map_or(PulledBundle::Unchanged, |document| PulledBundle::Document {
        bytes: document.body.into(),
        validator: document.etag.map(|etag| etag.as_bytes().to_vec()),
    }))
}

/// A file that cannot be read.
pub(super) struct Unreadable {
    pub(super) is_missing: bool,
    pub(super) text: String,
}

/// Reads a bundle from a file, within bounds of time and size.
pub(super) async fn read_bounded(path: &Path) -> Result<String, Unreadable> {
    let unreadable = |text: String| Unreadable { is_missing: false, text };
    let owned = path.to_owned();
    match rt::within(MAX_READ, in_turn(path, move || read_text(&owned, MAX_BUNDLE_BYTES))).await {
        Some(Some(Ok(text))) => Ok(text),
        Some(Some(Err(error))) => Err(Unreadable {
            is_missing: error.kind() == ErrorKind::NotFound,
            text: match error.kind() {
                ErrorKind::InvalidInput => "not a regular file".to_owned(),
                ErrorKind::FileTooLarge => format!("longer than {MAX_BUNDLE_BYTES} bytes"),
                _ => format!("not readable: {error}"),
            },
        }),
        Some(None) => Err(unreadable("not readable: the read was aborted".to_owned())),
        None => Err(unreadable("not readable: the read takes over 10 s; its disk may hang".to_owned())),
    }
}

pub(super) fn fault(problem: impl Into<String>) -> ConfigError {
    ConfigError::new("policy_bundle", problem.into())
}
