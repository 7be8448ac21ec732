//! A key as its owners see it, and what a new one is made of.

use std::fmt;
use std::time::Duration;

use countersign_core::claims::TenantId;
use countersign_core::clock::UnixTime;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::secret::Secret;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::ApiKeyError;
use crate::store::StoredKey;

/// The lifetime of a key that states none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// The longest names and notes, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The most names of one kind.
const MAX_NAMES: usize = 100;

/// The client and the authorities of a new key.
///
/// ```
/// use std::time::Duration;
/// use countersign_apikey::NewApiKey;
///
/// let key = NewApiKey::new("reports", "orders")
///     .scopes(["orders:read"])
///     .tenant("acme")
///     .note("nightly export")
///     .expires_in(Duration::from_secs(30 * 24 * 3600));
/// # let _ = key;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NewApiKey {
    pub(crate) client: String,
    pub(crate) subject: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Vec<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) note: String,
    pub(crate) lifetime: Duration,
}

impl NewApiKey {
    /// A key of `client` for the service `audience`, without authorities, that ends after 90 days.
    pub fn new(client: impl Into<String>, audience: impl Into<String>) -> Self {
        NewApiKey {
            client: client.into(),
            subject: None,
            audiences: vec![audience.into()],
            scopes: Vec::new(),
            roles: Vec::new(),
            permissions: Vec::new(),
            tenant: None,
            note: String::new(),
            lifetime: DEFAULT_LIFETIME,
        }
    }

    /// Adds a service that takes the key.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The user on whose behalf the key is used. Default: the client itself.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        NewApiKey { subject: Some(subject.into()), ..self }
    }

    /// Sets the scopes.
    pub fn scopes(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        NewApiKey { scopes: scopes.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets the roles.
    pub fn roles(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        NewApiKey { roles: roles.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets the permissions.
    pub fn permissions(self, permissions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        NewApiKey { permissions: permissions.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets the tenant.
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        NewApiKey { tenant: Some(tenant.into()), ..self }
    }

    /// A note for people, at most 256 bytes. It is stored, and no request tells it.
    pub fn note(self, note: impl Into<String>) -> Self {
        NewApiKey { note: note.into(), ..self }
    }

    /// The lifetime, from a second to ten years. Default: 90 days.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        NewApiKey { lifetime, ..self }
    }

    /// The faults of what was set.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        const TEN_YEARS: Duration = Duration::from_secs(3653 * 24 * 3600);
        let mut faults = Vec::new();
        let mut check = |field: &'static str, is_good: bool, problem: &'static str| {
            if !is_good {
                faults.push(Fault::new(field, problem));
            }
        };
        let is_name = |name: &String| {
            !name.is_empty()
                && name.len() <= MAX_NAME_BYTES
                && name.trim() == name
                && !name.chars().any(char::is_control)
        };
        let is_word = |name: &String| is_name(name) && !name.contains(char::is_whitespace);
        let are = |names: &[String], is: &dyn Fn(&String) -> bool| names.len() <= MAX_NAMES && names.iter().all(is);
        let name = "not a name of 1 to 256 bytes without control characters and outer spaces";
        let names = "more than 100 names, or one that is empty, too long, or has control characters or outer spaces";
        let words = "more than 100 scopes, or one that is empty, longer than 256 bytes, or has spaces";
        check("client", is_name(&self.client), name);
        check("subject", self.subject.as_ref().is_none_or(is_name), name);
        check("audience", are(&self.audiences, &is_name), names);
        check("scopes", are(&self.scopes, &is_word), words);
        check("roles", are(&self.roles, &is_name), names);
        check("permissions", are(&self.permissions, &is_name), names);
        check("note", self.note.len() <= MAX_NAME_BYTES, "longer than 256 bytes");
        let is_lifetime = (Duration::from_secs(1)..=TEN_YEARS).contains(&self.lifetime);
        check("expires_in", is_lifetime, "not from a second to ten years");
        let tenant = self.tenant.as_ref().and_then(|tenant| TenantId::new(tenant.as_str()).err());
        faults.extend(tenant.iter().flat_map(ConfigError::faults).cloned());
        faults
    }
}

/// A key, without its secret; [`CreatedApiKey`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey(pub(crate) StoredKey);

impl ApiKey {
    /// The id, which is part of the key and no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.0.client
    }

    /// The subject: the user on whose behalf the key is used, or the client.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject.as_deref().unwrap_or(&self.0.client)
    }

    /// The services that take the key.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.0.audiences
    }

    /// The scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// The permissions.
    #[must_use]
    pub fn permissions(&self) -> &[String] {
        &self.0.permissions
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// The note for people.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.0.note
    }

    /// The time at which it was made.
    #[must_use]
    pub fn created_at(&self) -> UnixTime {
        UnixTime::from_secs(self.0.created_at)
    }

    /// The time from which it is refused.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        UnixTime::from_secs(self.0.expires_at)
    }

    /// The time at which it was revoked.
    #[must_use]
    pub fn revoked_at(&self) -> Option<UnixTime> {
        self.0.revoked_at.map(UnixTime::from_secs)
    }

    /// The latest use that was recorded, which may be up to a minute before the latest use.
    #[must_use]
    pub fn last_used_at(&self) -> Option<UnixTime> {
        self.0.last_used_at.map(UnixTime::from_secs)
    }

    /// Returns whether the key is accepted at this time.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        self.0.is_valid_at(now)
    }
}

/// A key as JSON, without its secret. Times are seconds since 1970.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use countersign_apikey::{ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
///
/// let keys = ApiKeys::builder("https://shop.test/api-keys", MemoryKeyStore::new(), Pepper::random()?).build()?;
/// let created = keys.create(NewApiKey::new("reports", "orders")).await?;
/// let json = serde_json::to_value(created.key())?;
/// assert_eq!((&json["client"], &json["revoked_at"]), (&"reports".into(), &serde_json::Value::Null));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for ApiKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ApiKey(key) = self;
        let mut json = serializer.serialize_struct("ApiKey", 13)?;
        json.serialize_field("id", &key.id)?;
        json.serialize_field("client", &key.client)?;
        json.serialize_field("subject", self.subject())?;
        json.serialize_field("audiences", &key.audiences)?;
        json.serialize_field("scopes", &key.scopes)?;
        json.serialize_field("roles", &key.roles)?;
        json.serialize_field("permissions", &key.permissions)?;
        json.serialize_field("tenant", &key.tenant)?;
        json.serialize_field("note", &key.note)?;
        json.serialize_field("created_at", &key.created_at)?;
        json.serialize_field("expires_at", &key.expires_at)?;
        json.serialize_field("revoked_at", &key.revoked_at)?;
        json.serialize_field("last_used_at", &key.last_used_at)?;
        json.end()
    }
}

/// A key that was made just now, with its text, which is nowhere else.
///
/// ```
/// use countersign_apikey::CreatedApiKey;
///
/// fn hand_over(created: &CreatedApiKey) -> (&str, String) {
///     let key = created.key();
///     (created.text().expose(), format!("{} of {} for {:?}", key.id(), key.client(), key.audiences()))
/// }
/// # let _ = hand_over;
/// ```
pub struct CreatedApiKey {
    pub(crate) text: Secret<String>,
    pub(crate) key: ApiKey,
}

impl CreatedApiKey {
    /// The text to give to the client. It cannot be read again later.
    #[must_use]
    pub fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// The key without its secret.
    #[must_use]
    pub fn key(&self) -> &ApiKey {
        &self.key
    }
}

impl fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedApiKey").field("id", &self.key.id()).finish_non_exhaustive()
    }
}

/// The next key, and what became of the old one; made by [`ApiKeys::rotate`](crate::ApiKeys::rotate).
///
/// ```
/// use std::time::Duration;
/// use countersign_apikey::{ApiKeyError, ApiKeys};
///
/// async fn rotate(keys: &ApiKeys, id: &str) -> Result<String, ApiKeyError> {
///     let rotated = keys.rotate(id, Duration::from_secs(3600)).await?;
///     if let Err(error) = rotated.old_key() {
///         eprintln!("the old key {id} may still be valid after the overlap, try to revoke it later: {error}");
///     }
///     Ok(rotated.created().text().expose().clone()) // shown once, to the client
/// }
/// # let _ = rotate;
/// ```
#[derive(Debug)]
#[must_use = "the text of the new key is nowhere else, and the old key may not end"]
pub struct RotatedApiKey {
    pub(crate) created: CreatedApiKey,
    pub(crate) old_key: Result<ApiKey, ApiKeyError>,
}

impl RotatedApiKey {
    /// The new key, which is stored and valid, with its text.
    #[must_use]
    pub fn created(&self) -> &CreatedApiKey {
        &self.created
    }

    /// The old key with its new end.
    ///
    /// # Errors
    /// `store_unavailable` if nobody knows whether its end was stored: it may be valid for as long as before. Set its end with
    /// [`ApiKeys::set_expiry`](crate::ApiKeys::set_expiry), or revoke it, when the store works again. `not_found` if it was removed
    /// meanwhile.
    pub fn old_key(&self) -> Result<&ApiKey, &ApiKeyError> {
        self.old_key.as_ref()
    }
}
