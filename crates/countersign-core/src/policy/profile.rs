//! Kinds of token, and what each must carry.

use serde::{Deserialize, Serialize};

use crate::token::TokenType;

/// Which kind of token a policy takes. The kinds exclude each other (RFC 8725bis §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// An access token as most providers write it: `typ` absent, `JWT` or `at+jwt`; never another kind by name, and
    /// never an ID token by its claims. Needs `iss`, `aud`, `exp`.
    #[default]
    Compatible,
    /// RFC 9068 to the letter: `typ` is `at+jwt`; `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and `jti` are there; it
    /// lives at most 24 hours unless told otherwise.
    AccessToken,
    /// Only the types that [`token_type`](super::TrustedIssuer::token_type) names: for one other kind of token, such as
    /// `logout+jwt` or `secevent+jwt`. Needs `iss`, `aud`, `exp`.
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

    /// As it is written in a policy.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Profile::Compatible => "compatible",
            Profile::AccessToken => "access_token",
            Profile::Named => "named",
        }
    }

    /// The types it takes, in words; empty where it takes those alone that are named.
    pub(crate) const fn expected_types(self) -> &'static str {
        match self {
            Profile::Compatible => "absent, JWT or at+jwt",
            Profile::AccessToken => "at+jwt",
            Profile::Named => "",
        }
    }
}
