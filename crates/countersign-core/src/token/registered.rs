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
                match self { $(RegisteredClaim::$variant => $name,)* }
            }

            /// The registered claim of this name.
            #[inline]
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(RegisteredClaim::$variant),)* _ => None }
            }
        }
    };
}

registered_claims! {
    /// The issuer.
    Issuer => "iss",
    /// The subject.
    Subject => "sub",
    /// The audience.
    Audience => "aud",
    /// The expiry.
    Expires => "exp",
    /// The start of validity.
    NotBefore => "nbf",
    /// The time of issue.
    IssuedAt => "iat",
    /// The token ID.
    TokenId => "jti",
    /// The client that requested the token.
    ClientId => "client_id",
    /// The authentication context class.
    AuthenticationContext => "acr",
    /// The authentication methods.
    AuthenticationMethods => "amr",
    /// The time of the authentication.
    AuthenticationTime => "auth_time",
    /// The scope.
    Scope => "scope",
    /// The scope, as Microsoft Entra ID and Okta write it.
    Scp => "scp",
    /// The actor.
    Actor => "act",
    /// The key that the token is bound to.
    Confirmation => "cnf",
    /// A part of ID tokens.
    Nonce => "nonce",
    /// A part of ID tokens.
    AccessTokenHash => "at_hash",
    /// A part of ID tokens.
    CodeHash => "c_hash",
}

impl RegisteredClaim {
    /// Returns whether a policy may require a text as its value. The others have other types, or settings of their own.
    pub(crate) const fn may_have_required_value(self) -> bool {
        use RegisteredClaim::{AuthenticationContext, AuthenticationMethods, ClientId, Subject, TokenId};
        matches!(self, Subject | TokenId | ClientId | AuthenticationContext | AuthenticationMethods)
    }
}
