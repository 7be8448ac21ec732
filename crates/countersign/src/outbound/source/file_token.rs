//! A token in a file that the platform writes and renews.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use countersign_core::secret::Secret;

use super::token::OutboundToken;
use super::token_source::{TokenFuture, TokenRequest, TokenSource, refuse_subject};
use crate::outbound::error::OutboundError;
use crate::refresh::RefreshPolicy;

/// The longest file read, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// A token in a file, such as a workload's projected service-account token.
///
/// It is read for every call, so that a rotated token is sent at once.
///
/// ```
/// use countersign::outbound::FileToken;
///
/// let token = FileToken::new("/var/run/secrets/tokens/billing");
/// # let _ = token;
/// ```
#[derive(Clone, Debug)]
pub struct FileToken(PathBuf);

impl FileToken {
    /// The token in this file, without the white space around it.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileToken(path.into())
    }
}

impl TokenSource for FileToken {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move {
            refuse_subject(request)?;
            OutboundToken::from_bearer(&read_token(&self.0).await?, None)
        })
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        None
    }
}

/// Reads the token in the file, on a thread for blocking work.
pub(super) async fn read_token(path: &Path) -> Result<Secret<String>, OutboundError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || read(&path)).await.map_err(|_| unreadable())?
}

fn read(path: &Path) -> Result<Secret<String>, OutboundError> {
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path).is_ok_and(|about| about.is_file()) {
        return Err(unreadable());
    }
    let file = File::open(path).map_err(|_| unreadable())?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|_| unreadable())?;
    let text = Secret::new(text);
    match text.expose().len() as u64 > MAX_FILE_BYTES {
        true => Err(OutboundError::refused("the token file is over 16 KiB")),
        false => Ok(Secret::from(text.expose().trim())),
    }
}

fn unreadable() -> OutboundError {
    OutboundError::unavailable("the token file cannot be read; check its path and permissions", None)
}
