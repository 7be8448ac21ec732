//! The errors of minting.

use std::fmt;

use crate::store::StoreError;

/// A draft that no token can be minted from.
///
/// ```
/// use countersign_core::mint::Draft;
/// use countersign_issuer::{Issuer, MintError};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
/// let error = issuer.mint(&Draft::access_token().subject("ann").audience("orders")).unwrap_err();
/// assert_eq!(error, MintError::MissingClaim("client_id"));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum MintError {
    /// This claim is not set to one string that is not empty.
    MissingClaim(&'static str),
    /// The subject has the name of a client: the token would pass for the client's own.
    SubjectIsClient,
    /// The subject begins with the prefix of an identity provider: the token would pass for that of a user of the provider.
    SubjectOfProvider,
    /// The issuer does not have this audience.
    UnknownAudience,
    /// The requested expiry is in the past.
    Expired,
    /// The requested expiry is not a whole number of seconds.
    InvalidExpiry,
    /// The token would be larger than 7 KiB.
    TooLarge,
    /// The store has no signing keys any more that this instance can use: somebody removed them, restored older ones, or wrote
    /// newer ones that it cannot read, for example with another store key.
    KeysWithdrawn,
    /// The store gave the token no place in the status lists. A token without one could not be revoked for services.
    Statuses(StoreError),
    /// The key could not sign, or the system provides no randomness.
    Signing,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MintError::MissingClaim(name) => {
                write!(f, "{name} is not set; every access token needs sub, aud and client_id")
            }
            MintError::SubjectIsClient => f.write_str(
                "sub is the id of a client, or sub_is_client is set; give users other names than clients, such as a prefix",
            ),
            MintError::SubjectOfProvider => f.write_str(
                "sub begins with the prefix of an identity provider, which only its assertions name; give other users another one",
            ),
            MintError::UnknownAudience => f.write_str("aud is not an audience of this issuer; add it to the builder"),
            MintError::Expired => f.write_str("exp is in the past; set a later one"),
            MintError::InvalidExpiry => f.write_str("exp is not a whole number; set seconds since 1970"),
            MintError::TooLarge => {
                f.write_str("the token would be larger than 7 KiB; refer to data instead of carrying it")
            }
            MintError::KeysWithdrawn => {
                f.write_str("the store has no usable signing keys any more; restart every instance to use what is stored")
            }
            MintError::Statuses(error) => write!(f, "the token got no place in the status lists: {error}"),
            MintError::Signing => f.write_str("the key could not sign"),
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), MintError>` prints a readable line.
impl fmt::Debug for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for MintError {}
