//! The kinds of credentials that callers bring.

/// The kind of credential by which a caller was authenticated. Guards, extractors and logs treat callers of all kinds alike.
///
/// ```
/// use countersign_core::token::CredentialKind;
///
/// assert_eq!(CredentialKind::from_name("api_key"), Some(CredentialKind::ApiKey));
/// assert_eq!(CredentialKind::Opaque.name(), "opaque");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CredentialKind {
    /// A signed token (JWT), whose signature was checked here.
    Signed,
    /// A token that only its issuer can read, by introspection (RFC 7662).
    Opaque,
    /// A key that this service or its operator issued to a client.
    ApiKey,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: &'static [CredentialKind] =
        &[CredentialKind::Signed, CredentialKind::Opaque, CredentialKind::ApiKey];

    /// The name in policies, logs and metrics: lower case, words joined by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CredentialKind::Signed => "signed",
            CredentialKind::Opaque => "opaque",
            CredentialKind::ApiKey => "api_key",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
