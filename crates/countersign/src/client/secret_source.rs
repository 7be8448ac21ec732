//! The secret of a client: a value, or a file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use countersign_core::secret::{FileSecret, Secret};

use super::error::ClientError;
use super::text_file::RotatingFile;

/// The secret of a client: a value, or a file that is read for each token request.
///
/// If the file cannot be read, the last good secret is used and a warning is logged. If the token service refuses the client
/// (`invalid_client`), the file is read again, and the request is sent once more if the secret has changed.
///
/// ```
/// use countersign::outbound::{ClientCredentials, SecretSource};
/// use countersign::secret::Secret;
///
/// let secret: SecretSource = Secret::from_file("/run/secrets/orders-client").into();
/// let tokens = ClientCredentials::from_issuer("https://id.example.com").client("orders", secret);
/// # let _ = tokens;
/// ```
#[derive(Clone)]
pub struct SecretSource(Origin);

#[derive(Clone)]
enum Origin {
    Value(Arc<Secret<String>>),
    File(Arc<RotatingFile<Secret<String>>>),
}

impl SecretSource {
    pub(crate) async fn current(&self) -> Result<Arc<Secret<String>>, ClientError> {
        match &self.0 {
            Origin::Value(secret) => Ok(Arc::clone(secret)),
            Origin::File(file) => file.current().await,
        }
    }

    /// The file that has the secret, if a file does.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.0 {
            Origin::Value(_) => None,
            Origin::File(file) => Some(file.path()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.0, Origin::Value(secret) if secret.expose().is_empty())
    }

    /// Returns whether another secret may be read later.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.0, Origin::File(_))
    }
}

impl From<Secret<String>> for SecretSource {
    fn from(secret: Secret<String>) -> Self {
        SecretSource(Origin::Value(Arc::new(secret)))
    }
}

impl From<String> for SecretSource {
    fn from(secret: String) -> Self {
        Secret::new(secret).into()
    }
}

impl From<&str> for SecretSource {
    fn from(secret: &str) -> Self {
        Secret::from(secret).into()
    }
}

impl From<FileSecret> for SecretSource {
    fn from(file: FileSecret) -> Self {
        let parse = |text: &Secret<String>| Ok(text.clone());
        SecretSource(Origin::File(Arc::new(RotatingFile::new(file.path().to_owned(), "secret", parse))))
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::Value(_) => f.write_str("SecretSource([hidden])"),
            Origin::File(file) => f.debug_tuple("SecretSource").field(&file.path()).finish(),
        }
    }
}
