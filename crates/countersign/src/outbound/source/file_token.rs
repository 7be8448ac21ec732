//! A token in a file that the platform writes and renews.

use std::path::PathBuf;

use super::token::OutboundToken;
use super::token_source::{TokenFuture, TokenRequest, TokenSource, refuse_subject};
use crate::client::read_text;
use crate::outbound::error::OutboundError;
use crate::refresh::RefreshPolicy;

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
            OutboundToken::from_bearer(&read_text(&self.0, "token").await.map_err(OutboundError::from)?, None)
        })
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        None
    }
}
