//! Values that must not appear in output.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroize;

use crate::error::ConfigError;

/// A value that is hidden from `Debug`, cannot be displayed or serialised, and is wiped when dropped.
///
/// ```
/// use countersign_core::secret::Secret;
///
/// let password = Secret::new(String::from("hunter2"));
/// assert_eq!(format!("{password:?}"), "Secret([hidden])");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Secret(value)
    }

    /// Returns the value. Each call is a point at which the secret can leak; keep them few.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// A secret in a file, such as a mounted one. It is read at each use, so that a rotated secret counts at once.
    ///
    /// ```
    /// use countersign_core::secret::Secret;
    ///
    /// let secret = Secret::from_file("/run/secrets/orders-client");
    /// assert_eq!(secret.path().to_str(), Some("/run/secrets/orders-client"));
    /// ```
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> FileSecret {
        FileSecret(path.into())
    }

    /// Reads the environment variable `name`.
    ///
    /// # Errors
    /// `ConfigError` if it is unset, empty or not UTF-8.
    pub fn from_env(name: &str) -> Result<Self, ConfigError> {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Secret(value)),
            _ => Err(ConfigError::new(
                name,
                "the environment variable is unset, empty or not UTF-8; set it to the secret",
            )),
        }
    }
}

/// A secret in a file, which its user reads again as it changes. [`Secret::from_file`] creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSecret(PathBuf);

impl FileSecret {
    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([hidden])")
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Secret(value.to_owned())
    }
}

/// ```
/// use countersign_core::secret::Secret;
///
/// let key: Secret<Vec<u8>> = vec![7; 32].into();
/// assert_eq!(key.expose().len(), 32);
/// ```
impl From<Vec<u8>> for Secret<Vec<u8>> {
    fn from(value: Vec<u8>) -> Self {
        Secret(value)
    }
}

impl From<&[u8]> for Secret<Vec<u8>> {
    fn from(value: &[u8]) -> Self {
        Secret(value.to_owned())
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Secret(value)
    }
}
