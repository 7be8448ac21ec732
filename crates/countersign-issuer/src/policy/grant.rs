//! The grants of RFC 6749, RFC 8693 and RFC 7523 that the issuer supports.

use std::fmt;

/// A way to request a token.
///
/// ```
/// use countersign_issuer::Grant;
///
/// assert_eq!(Grant::ClientCredentials.name(), "client_credentials");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// A client requests a token for itself (RFC 6749 §4.4).
    ClientCredentials,
    /// A client exchanges the token of its caller (RFC 8693).
    TokenExchange,
    /// A workload presents a token of its platform (RFC 7523), as a [`Federation`](crate::Federation) allows; or a client presents the
    /// identity assertion of an [`IdentityProvider`](crate::IdentityProvider), which only those with this grant may.
    JwtBearer,
}

impl Grant {
    pub(crate) const ALL: [Grant; 3] = [Grant::ClientCredentials, Grant::TokenExchange, Grant::JwtBearer];

    /// The value of `grant_type` in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Grant::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Grant::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
