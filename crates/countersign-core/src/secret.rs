//! Values that must not appear in output.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroize;

use crate::error::ConfigError;

/// The longest name of a variable that an error repeats.
const MAX_NAME_BYTES: usize = 64;

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
    /// `ConfigError` on field `name` if it is unset, empty or not UTF-8. A `name` that is not of the form `[A-Z_][A-Z0-9_]*` is not
    /// repeated, since it may be the secret itself: the field is then `environment`.
    pub fn from_env(name: &str) -> Result<Self, ConfigError> {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Secret(value)),
            _ if !is_variable_name(name) => Err(ConfigError::new(
                "environment",
                "a setting that names an environment variable has other text, which is not repeated: it may be the secret \
                 itself; write the name of a variable that is set, such as ORDERS_SECRET",
            )),
            _ => Err(ConfigError::new(
                name,
                "the environment variable is unset, empty or not UTF-8; set it to the secret",
            )),
        }
    }
}

/// Returns whether the text is the name of a variable in the usual form, and thus unlikely to be a secret.
fn is_variable_name(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit();
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.bytes().all(is_name)
        && !text.starts_with(|first: char| first.is_ascii_digit())
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

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn s10_01_a_secret_in_the_place_of_a_variables_name_is_not_repeated() {
        let long = "A".repeat(65);
        for text in ["hunter2", "host=/run/postgresql password=hunter2", "http://user:pw@proxy:3128", "9ABC", "", &long]
        {
            let error = Secret::from_env(text).expect_err("no such variable");
            assert_eq!(error.faults()[0].field, "environment");
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
        let error = Secret::from_env("COUNTERSIGN_UNSET_9").expect_err("unset");
        assert_eq!(error.faults()[0].field, "COUNTERSIGN_UNSET_9");
    }
}
