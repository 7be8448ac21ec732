//! A client of an authorization server: how it authenticates, and the endpoints that it calls.

mod assertion;
mod credential;
mod endpoint;
mod error;
mod key_file;
mod secret_source;
mod text_file;

pub use assertion::Assertion;
pub(crate) use assertion::{CLIENT_AUTHENTICATION, GRANT};
pub(crate) use credential::{Credential, SecretLocation, authenticate, faults};
pub(crate) use endpoint::{ServerEndpoint, retry_delay};
pub(crate) use error::ClientError;
pub(crate) use key_file::key_file;
pub use secret_source::SecretSource;
pub(crate) use text_file::{RotatingFile, read_text};
