//! Kinds of token and the claims that each requires.

use serde::{Deserialize, Serialize};

use crate::token::TokenType;

/// The kind of token that a policy accepts. The kinds exclude each other (RFC 8725bis §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// Access tokens as most providers write them: `typ` is absent, `JWT` or `at+jwt`.
    ///
    /// Refuses every other `typ`, and tokens with the claims of an ID token. Requires `iss`, `aud` and `exp`.
    #[default]
    Compatible,
    /// Access tokens that conform strictly to RFC 9068: `typ` is `at+jwt`.
    ///
    /// Requires `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and `jti`. The lifetime is at most 24 hours unless the policy
    /// sets another limit.
    AccessToken,
    /// Only the types that [`token_type`](super::TrustedIssuer::token_type) names, such as `logout+jwt`.
    ///
    /// Requires `iss`, `aud` and `exp`.
    Named,
}

impl Profile {
    pub(crate) fn takes(self, token_type: &TokenType) -> bool {
        match self {
            Profile::Compatible => matches!(token_type, TokenType::Absent | TokenType::Jwt | TokenType::AccessToken),
            Profile::AccessToken => matches!(token_type, TokenType::AccessToken),
            Profile::Named => false,
        }
    }

    /// The name in a policy.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Profile::Compatible => "compatible",
            Profile::AccessToken => "access_token",
            Profile::Named => "named",
        }
    }

    /// The accepted types, as text; empty if only named types are accepted.
    pub(crate) const fn expected_types(self) -> &'static str {
        match self {
            Profile::Compatible => "absent, JWT or at+jwt",
            Profile::AccessToken => "at+jwt",
            Profile::Named => "",
        }
    }
}
