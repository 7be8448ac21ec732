//! Tenant ids and keys within a tenant.

use std::fmt;

use crate::error::ConfigError;

/// The longest tenant id, in bytes.
const MAX_TENANT_BYTES: usize = 128;

/// The id of a tenant: 1 to 128 characters of `A-Z a-z 0-9 . _ -`, safe in paths and logs.
///
/// `.` and `..` are refused.
///
/// ```
/// use countersign_core::claims::TenantId;
///
/// assert_eq!(TenantId::new("acme")?.as_str(), "acme");
/// assert!(TenantId::new("../acme").is_err());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Box<str>);

impl TenantId {
    /// Creates a tenant id from `id`, if it is valid.
    ///
    /// # Errors
    /// `ConfigError` on field `tenant` if `id` does not have this form.
    pub fn new(id: impl Into<String>) -> Result<Self, ConfigError> {
        let id = id.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let good = (1..=MAX_TENANT_BYTES).contains(&id.len()) && id.bytes().all(allowed) && id != "." && id != "..";
        if good {
            Ok(TenantId(id.into()))
        } else {
            Err(ConfigError::new("tenant", "not a tenant id; use 1 to 128 characters of A-Z a-z 0-9 . _ -"))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Qualifies `key` with this tenant, for caches, maps and file names.
    ///
    /// The same key in two tenants gives two different values.
    ///
    /// ```
    /// use countersign_core::claims::TenantId;
    ///
    /// let (acme, globex) = (TenantId::new("acme")?, TenantId::new("globex")?);
    /// assert_ne!(acme.key("price-list"), globex.key("price-list"));
    /// assert_eq!(acme.key(7).to_string(), "acme/7");
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn key<K>(&self, key: K) -> TenantKey<K> {
        TenantKey { tenant: self.clone(), key }
    }
}

/// A key within a tenant, created by [`TenantId::key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey<K> {
    tenant: TenantId,
    key: K,
}

impl<K> TenantKey<K> {
    /// The tenant of the key.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The key within the tenant.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

/// Writes `tenant/key`, which is unambiguous because tenant ids contain no slash.
impl<K: fmt::Display> fmt::Display for TenantKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.key)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
