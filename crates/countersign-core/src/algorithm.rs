//! Signature algorithms of RFC 7518, RFC 8037, RFC 9864 and RFC 9964. `none` is not among them.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::ConfigError;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// A signature algorithm that this crate can check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Algorithm {
            $($(#[$doc])* $variant,)*
        }

        impl Algorithm {
            /// Every algorithm, symmetric ones last.
            pub const ALL: &'static [Algorithm] = &[$(Algorithm::$variant,)*];

            /// The registered name, as in a header's `alg`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Algorithm::$variant => $name,)* }
            }

            /// Reads a registered name; exact and case-sensitive (RFC 7515 §4.1.1).
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Algorithm::$variant),)* _ => None }
            }
        }
    };
}

algorithms! {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256 => "RS256",
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384 => "RS384",
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512 => "RS512",
    /// RSASSA-PSS with SHA-256.
    PS256 => "PS256",
    /// RSASSA-PSS with SHA-384.
    PS384 => "PS384",
    /// RSASSA-PSS with SHA-512.
    PS512 => "PS512",
    /// ECDSA on P-256 with SHA-256.
    ES256 => "ES256",
    /// ECDSA on P-384 with SHA-384.
    ES384 => "ES384",
    /// ECDSA on P-521 with SHA-512.
    ES512 => "ES512",
    /// Ed25519 under its own name (RFC 9864).
    Ed25519 => "Ed25519",
    /// Ed25519 under its older, polymorphic name (RFC 8037).
    EdDSA => "EdDSA",
    /// ML-DSA-44 (RFC 9964).
    MlDsa44 => "ML-DSA-44",
    /// ML-DSA-65 (RFC 9964).
    MlDsa65 => "ML-DSA-65",
    /// ML-DSA-87 (RFC 9964).
    MlDsa87 => "ML-DSA-87",
    /// HMAC with SHA-256; a shared secret, only if a policy opts in.
    HS256 => "HS256",
    /// HMAC with SHA-384; a shared secret, only if a policy opts in.
    HS384 => "HS384",
    /// HMAC with SHA-512; a shared secret, only if a policy opts in.
    HS512 => "HS512",
}

impl Algorithm {
    /// The algorithms that a policy allows by default: the asymmetric ones in common use.
    pub const DEFAULT: &'static [Algorithm] = &[
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::Ed25519,
        Algorithm::EdDSA,
    ];

    /// The algorithms of RSA keys.
    pub const RSA: [Algorithm; 6] =
        [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

    /// Returns whether signer and verifier share one secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
    }

    /// Returns whether a key of algorithm `self` may check a token of algorithm `named`; Ed25519 has two names.
    #[must_use]
    pub(crate) fn serves(self, named: Algorithm) -> bool {
        let plain = |algorithm| if algorithm == Algorithm::EdDSA { Algorithm::Ed25519 } else { algorithm };
        plain(self) == plain(named)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Algorithm::from_name(&name).ok_or_else(|| D::Error::custom("algorithms: not an algorithm that can be checked"))
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Algorithm::from_name(name).ok_or_else(|| {
            ConfigError::new("algorithms", "not an algorithm that can be checked; names are exact, such as ES256")
        })
    }
}
