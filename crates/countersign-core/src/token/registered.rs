//! The registered claims: the one table of the claims that the kernel itself reads.

macro_rules! registered_claims {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// A claim that the kernel reads itself (RFC 7519 §4.1, RFC 8693 §4, RFC 9068 §2.2, OpenID Connect Core §2).
        ///
        /// ```
        /// use countersign_core::integration::RegisteredClaim;
        ///
        /// assert_eq!(RegisteredClaim::from_name("sub"), Some(RegisteredClaim::Subject));
        /// assert_eq!(RegisteredClaim::from_name("roles"), None);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RegisteredClaim {
            $($(#[$doc])* $variant,)*
        }

        impl RegisteredClaim {
            /// The name in a token.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(RegisteredClaim::$variant => const { text($name) },)* }
            }

            /// The registered claim of this name.
            #[inline(always)]
            #[must_use]
            pub const fn from_name(name: &str) -> Option<Self> {
                Self::from_bytes(name.as_bytes())
            }

            /// As [`from_name`](Self::from_name): bytes are matched by a decision tree, strings one after the other.
            #[inline(always)]
            pub(crate) const fn from_bytes(name: &[u8]) -> Option<Self> {
                match name { $($name => Some(RegisteredClaim::$variant),)* _ => None }
            }
        }
    };
}

registered_claims! {
    /// The issuer.
    Issuer => b"iss",
    /// The subject.
    Subject => b"sub",
    /// The audience.
    Audience => b"aud",
    /// The expiry.
    Expires => b"exp",
    /// The start of validity.
    NotBefore => b"nbf",
    /// The time of issue.
    IssuedAt => b"iat",
    /// The token ID.
    TokenId => b"jti",
    /// The client that requested the token.
    ClientId => b"client_id",
    /// The authentication context class.
    AuthenticationContext => b"acr",
    /// The authentication methods.
    AuthenticationMethods => b"amr",
    /// The time of the authentication.
    AuthenticationTime => b"auth_time",
    /// The scope.
    Scope => b"scope",
    /// The scope, as Microsoft Entra ID and Okta write it.
    Scp => b"scp",
    /// The actor.
    Actor => b"act",
    /// The key that the token is bound to.
    Confirmation => b"cnf",
    /// A part of ID tokens.
    Nonce => b"nonce",
    /// A part of ID tokens.
    AccessTokenHash => b"at_hash",
    /// A part of ID tokens.
    CodeHash => b"c_hash",
}

/// The text of a name in the table.
const fn text(name: &'static [u8]) -> &'static str {
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => "", // unreachable: every name is ASCII
    }
}

impl RegisteredClaim {
    /// Returns whether `null` counts as absence: for optional claims that carry names.
    #[inline(always)]
    pub(crate) const fn may_be_null(self) -> bool {
        use RegisteredClaim::{
            Actor, AuthenticationContext, AuthenticationMethods, ClientId, Scope, Scp, Subject, TokenId,
        };
        matches!(
            self,
            Subject | TokenId | ClientId | AuthenticationContext | AuthenticationMethods | Scope | Scp | Actor
        )
    }

    /// The bit of this claim in a set.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Returns whether a policy may require a text as its value. The others have other types, or settings of their own.
    pub(crate) const fn may_have_required_value(self) -> bool {
        use RegisteredClaim::{AuthenticationContext, AuthenticationMethods, ClientId, Subject, TokenId};
        matches!(self, Subject | TokenId | ClientId | AuthenticationContext | AuthenticationMethods)
    }
}
