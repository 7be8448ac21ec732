//! The reason why a client's credential cannot be used.

use std::borrow::Cow;
use std::fmt;

/// A credential that cannot be used, and why. It contains no secret, and clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientError {
    detail: Cow<'static, str>,
    is_transient: bool,
}

impl ClientError {
    /// A credential that may be usable later.
    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        ClientError { detail: detail.into(), is_transient: true }
    }

    /// A credential that must be corrected.
    pub(crate) fn refused(detail: impl Into<Cow<'static, str>>) -> Self {
        ClientError { detail: detail.into(), is_transient: false }
    }

    #[cfg_attr(not(feature = "outbound"), allow(dead_code, reason = "outbound calls tell them apart"))]
    pub(crate) fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
