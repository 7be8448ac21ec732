//! The content of a refusal, without its form.

use std::fmt;

use http::StatusCode;

/// The content of a refusal: constants of this crate, safe to show to anyone.
///
/// `Display` writes the default body, a problem of RFC 9457. [`Render`](super::Render) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) reason: Option<&'static str>,
}

/// The detail that refusals give callers about a refused token.
///
/// ```
/// use countersign::prelude::*;
/// use countersign::{error::ConfigError, response::Detail};
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     AuthenticateLayer::builder(verifier).detail(Detail::Code).build()
/// }
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// Only whether the token is invalid, expired or not yet valid. A bad signature, an unknown key, a wrong audience and a
    /// wrong issuer get the same answer, byte for byte.
    #[default]
    Coarse,
    /// The exact code too, such as `wrong_audience`, as `reason` in the body: for development and closed networks. A token
    /// whose signature was not verified gets no reason, which would show anybody which issuers and audiences are trusted.
    Code,
}

impl Problem {
    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code, such as `token_expired`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The constant sentence that belongs to the code.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// The exact reason, only with [`Detail::Code`].
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All values are constants of this crate that need no escaping in JSON.
        let Problem { status, code, title, reason } = self;
        write!(f, "{{\"type\":\"urn:countersign:problem:{code}\",\"title\":\"{title}\",")?;
        write!(f, "\"status\":{},\"code\":\"{code}\"", status.as_u16())?;
        if let Some(reason) = reason {
            write!(f, ",\"reason\":\"{reason}\"")?;
        }
        f.write_str("}")
    }
}
