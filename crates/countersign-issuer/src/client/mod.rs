//! Clients: what each is allowed, and how it authenticates.

mod asked;
mod assertion;
mod authenticator;
mod certificate_name;
mod error;
mod faults;
mod public_keys;
mod registration;
mod registry;
mod secret;
mod secret_check;
mod turns;
mod upgrades;
mod verified_secrets;

pub(crate) use assertion::AssertionCheck;
pub(crate) use authenticator::ClientAuthenticator;
pub use certificate_name::CertificateName;
pub(crate) use error::AuthenticationError;
pub(crate) use public_keys::{PublicKeys, registered_keys};
pub use registration::{Client, ClientSecret};
pub(crate) use registry::Registry;
pub use secret::SecretHash;
pub(crate) use secret::pepper_key;
pub(crate) use secret_check::SecretCheck;
