//! Errors of the management of keys.

use std::fmt;

use countersign_core::error::Fault;

use crate::store::ApiKeyStoreError;

/// The kinds of [`ApiKeyError`], which has an example, each with its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiKeyErrorKind {
    /// The request has faults. Code: `invalid`.
    Invalid,
    /// There is no such key. Code: `not_found`.
    NotFound,
    /// The key was revoked or has ended. Code: `ended`.
    Ended,
    /// The client has as many keys as one may have; revoke or remove some. Code: `too_many_keys`.
    TooManyKeys,
    /// The store cannot be read or written now, so nobody knows whether the change was made. Code: `store_unavailable`.
    StoreUnavailable,
}

impl ApiKeyErrorKind {
    /// The stable code: lower case, words joined by `_`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            ApiKeyErrorKind::Invalid => "invalid",
            ApiKeyErrorKind::NotFound => "not_found",
            ApiKeyErrorKind::Ended => "ended",
            ApiKeyErrorKind::TooManyKeys => "too_many_keys",
            ApiKeyErrorKind::StoreUnavailable => "store_unavailable",
        }
    }
}

/// The reason why a key was not made or changed.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use countersign_apikey::{ApiKeys, MemoryKeyStore, Pepper};
/// use countersign_core::secret::Secret;
///
/// let pepper = Pepper::new(&Secret::new(vec![7; 32]))?;
/// let keys = ApiKeys::builder("https://shop.example.com/api-keys", MemoryKeyStore::new(), pepper).build()?;
/// let error = keys.revoke("nobody").await.err();
/// assert_eq!(error.map(|error| error.code()), Some("not_found"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyError {
    kind: ApiKeyErrorKind,
    detail: String,
    key_id: Option<String>,
}

impl ApiKeyError {
    pub(crate) fn new(kind: ApiKeyErrorKind, detail: impl Into<String>) -> Self {
        ApiKeyError { kind, detail: detail.into(), key_id: None }
    }

    /// The new key may be in the store, and nobody has its text.
    pub(crate) fn of_new_key(error: &ApiKeyStoreError, id: String) -> Self {
        let detail = format!("{error}; key {id} may have been stored, and its text is lost: revoke it");
        ApiKeyError { kind: ApiKeyErrorKind::StoreUnavailable, detail, key_id: Some(id) }
    }

    pub(crate) fn check(faults: &[Fault]) -> Result<(), Self> {
        if faults.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.problem)).collect();
        Err(ApiKeyError::new(ApiKeyErrorKind::Invalid, all.join("; ")))
    }

    /// The kind, to match on.
    #[must_use]
    pub const fn kind(&self) -> ApiKeyErrorKind {
        self.kind
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The id of a new key that may have been stored although it was not handed out. Nobody has its text; revoke it, or let it end.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The description, without the code.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for ApiKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

impl std::error::Error for ApiKeyError {}

impl From<ApiKeyStoreError> for ApiKeyError {
    fn from(error: ApiKeyStoreError) -> Self {
        ApiKeyError::new(ApiKeyErrorKind::StoreUnavailable, error.to_string())
    }
}
