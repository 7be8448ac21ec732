//! The place that bundles come from.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::bundle::MAX_BUNDLE_BYTES;
use countersign_core::error::{ConfigError, Fault};
use http::{HeaderValue, StatusCode};

use crate::fetch::{self, ConnectionSettings, FetchFailure};
use crate::file::{in_turn, read_text};
use crate::rt;

/// The longest read of a file.
const MAX_READ: Duration = Duration::from_secs(10);

/// An address or a file.
pub(in crate::reload) enum Source {
    Url { url: String, settings: ConnectionSettings },
    File(PathBuf),
}

/// The answer of a source.
pub(super) enum Pulled {
    /// The document of the validator that it was asked with.
    Unchanged,
    /// A document, with the validator for the next pull.
    Document(String, Option<HeaderValue>),
}

/// The reason why nothing was pulled.
pub(super) struct PullFailure {
    pub(super) error: ConfigError,
    /// The pause that the server asks for.
    pub(super) retry_after: Option<Duration>,
    /// True if there is no document: no file, or a 404.
    pub(super) is_missing: bool,
}

impl Source {
    pub(in crate::reload) fn from_url(url: String) -> Self {
        Source::Url { url, settings: ConnectionSettings::default() }
    }

    /// The settings of the connection to an address.
    pub(super) fn connection(&self) -> Option<&ConnectionSettings> {
        match self {
            Source::Url { settings, .. } => Some(settings),
            Source::File(_) => None,
        }
    }

    pub(super) fn set_connection(&mut self, new: ConnectionSettings) {
        if let Source::Url { settings, .. } = self {
            *settings = new;
        }
    }

    /// The name for logs and errors. A query may hold a secret.
    pub(super) fn shown(&self) -> String {
        match self {
            Source::Url { url, .. } => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            Source::File(path) => path.display().to_string(),
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        match self {
            Source::Url { url, settings } => {
                fetch::checked_url(url, "url").err().into_iter().chain(settings.faults()).collect()
            }
            Source::File(_) => Vec::new(),
        }
    }

    /// Pulls the document, unless it is still that of `known`.
    pub(super) async fn pull(&self, known: Option<&HeaderValue>) -> Result<Pulled, PullFailure> {
        let (url, settings) = match self {
            Source::Url { url, settings } => (url, settings),
            Source::File(path) => {
                let text = read_bounded(path).await;
                return text.map(|text| Pulled::Document(text, None)).map_err(|unreadable| PullFailure {
                    error: fault(unreadable.text),
                    retry_after: None,
                    is_missing: unreadable.is_missing,
                });
            }
        };
        let failed = |failure: &FetchFailure| {
            let retry_after = match failure {
                FetchFailure::Status(_, retry_after) => *retry_after,
                _ => None,
            };
            let is_missing = matches!(failure, FetchFailure::Status(status, _) if *status == StatusCode::NOT_FOUND);
            PullFailure { error: fault(failure.to_string()), retry_after, is_missing }
        };
        let url = fetch::checked_url(url, "url")
            .map_err(|fault| ConfigError::new("url", fault.problem))
            .map_err(|error| PullFailure { error, retry_after: None, is_missing: false })?;
        match fetch::get_if_changed(settings, url, known, MAX_BUNDLE_BYTES).await {
            Ok(None) => Ok(Pulled::Unchanged),
            Ok(Some(document)) => match String::from_utf8(document.body.into()) {
                Ok(text) => Ok(Pulled::Document(text, document.etag)),
                Err(_) => Err(failed(&FetchFailure::Unusable("the response is not text"))),
            },
            Err(failure) => Err(failed(&failure)),
        }
    }
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
