//! The keys of one authority: made, listed, rotated, revoked, and checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::{ApiKeyCheck, ApiKeySource};
use countersign_core::authz::Authorities;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::StaticKeys;
use countersign_core::policy::{NeedsAudience, TrustedIssuer};
use countersign_core::verify::Verifier;
use http::HeaderName;

use crate::check::Check;
use crate::error::{ApiKeyError, ApiKeyErrorKind as Kind};
use crate::form::Prefix;
use crate::key::{ApiKey, CreatedApiKey, NewApiKey, RotatedApiKey};
use crate::pepper::Pepper;
use crate::ring::Ring;
use crate::store::{ApiKeyStore, StoredKey};

/// The age up to which keys in memory are used without another read.
const REFRESH_EVERY: Duration = Duration::from_secs(5);

/// The age up to which they are used while the store cannot be read.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The most keys of one client that are valid at the same time.
const MAX_OF_CLIENT: usize = 100;

/// The repetitions of a change that another one came before.
const ATTEMPTS: usize = 5;

/// The API keys of one authority. Clones share everything.
///
/// Give it to the layer of each service that takes the keys, and its [`issuer`](Self::issuer) to the verifier, whose rules the
/// callers must meet; the [crate](crate) has an example.
#[derive(Clone)]
pub struct ApiKeys {
    issuer: Arc<str>,
    prefix: Prefix,
    pepper: Pepper,
    header: Option<HeaderName>,
    ring: Arc<Ring>,
}

/// Builds [`ApiKeys`]; made by [`ApiKeys::builder`]. The [crate](crate) has an example.
#[derive(Debug)]
#[must_use = "call build to get the keys"]
pub struct ApiKeysBuilder {
    issuer: String,
    store: Arc<dyn ApiKeyStore>,
    pepper: Pepper,
    prefix: String,
    header: Option<String>,
    refresh_every: Duration,
    max_age: Duration,
}

impl ApiKeys {
    /// Starts the keys of the authority with this name, which is the issuer of their callers: `https://` and a place of yours,
    /// such as `https://shop.example.com/api-keys`. Nobody has to answer there.
    ///
    /// All services that take the keys need the same name, store and pepper.
    pub fn builder(issuer: impl Into<String>, store: impl ApiKeyStore, pepper: Pepper) -> ApiKeysBuilder {
        ApiKeysBuilder {
            issuer: issuer.into(),
            store: Arc::new(store),
            pepper,
            prefix: "key".into(),
            header: None,
            refresh_every: REFRESH_EVERY,
            max_age: MAX_AGE,
        }
    }

    /// The issuer for the verifier of the service `audience`. Its mapping reads the scopes, roles, permissions and the tenant of a
    /// key.
    ///
    /// Beside other issuers, state whose roles and tenants those are, with
    /// `.map_authorities(|keys| keys.names_of("https://id.example.com").tenants_of("https://id.example.com"))`.
    pub fn issuer(&self, audience: impl Into<String>) -> TrustedIssuer {
        let issuer = NeedsAudience::new(&*self.issuer, Arc::new(StaticKeys::new([]))).audience(audience);
        issuer.authorities(Authorities::new().roles_at("/roles").permissions_at("/permissions").tenant_at("/tenant"))
    }

    /// Makes a key. Its text is in the result and nowhere else.
    ///
    /// # Errors
    /// `invalid`, `too_many_keys`, `store_unavailable`; see [`ApiKeyError::key_id`].
    pub async fn create(&self, new: NewApiKey) -> Result<CreatedApiKey, ApiKeyError> {
        ApiKeyError::check(&new.faults())?;
        self.ring.store().prepare().await?;
        let now = self.now();
        check_room(&self.list().await?, &new.client, now)?;
        let key = StoredKey {
            id: String::new(),
            version: 1,
            mac: String::new(),
            client: new.client,
            subject: new.subject,
            audiences: new.audiences,
            scopes: new.scopes,
            roles: new.roles,
            permissions: new.permissions,
            tenant: new.tenant,
            note: new.note,
            created_at: now.as_secs(),
            expires_at: now.saturating_add(new.lifetime).as_secs(),
            revoked_at: None,
            last_used_at: None,
        };
        self.add(key).await
    }

    /// All keys, by client and age.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn list(&self) -> Result<Vec<ApiKey>, ApiKeyError> {
        let mut keys: Vec<ApiKey> = self.ring.store().changes(0).await?.keys.into_iter().map(ApiKey).collect();
        keys.sort_by(|one, other| {
            (one.client(), one.created_at(), one.id()).cmp(&(other.client(), other.created_at(), other.id()))
        });
        Ok(keys)
    }

    /// The key of this id.
    ///
    /// # Errors
    /// `not_found`, `store_unavailable`.
    pub async fn get(&self, id: &str) -> Result<ApiKey, ApiKeyError> {
        find(&self.list().await?, id).cloned()
    }

    /// Makes another key with the same client, authorities and lifetime. The old one ends after `overlap`, or when it would have
    /// ended anyway.
    ///
    /// The new key is stored first, so that the client never is without one. If the end of the old one cannot be stored then, the
    /// new one is returned nevertheless: [`RotatedApiKey::old_key`] has the error.
    ///
    /// # Errors
    /// `not_found`, `ended`, `too_many_keys`, `store_unavailable`: the old key is as before. See [`ApiKeyError::key_id`].
    pub async fn rotate(&self, id: &str, overlap: Duration) -> Result<RotatedApiKey, ApiKeyError> {
        let keys = self.list().await?;
        let now = self.now();
        let old = find(&keys, id)?;
        if !old.is_valid_at(now) {
            return Err(ApiKeyError::new(Kind::Ended, "the key was revoked or has ended; make a new one"));
        }
        check_room(&keys, old.client(), now)?;
        let lifetime = old.expires_at().saturating_since(old.created_at());
        let next = StoredKey {
            version: 1,
            created_at: now.as_secs(),
            expires_at: now.saturating_add(lifetime).as_secs(),
            last_used_at: None,
            ..old.0.clone()
        };
        let created = self.add(next).await?;
        let ends_at = now.saturating_add(overlap).as_secs();
        let old_key = self.change(id, |key| key.expires_at = key.expires_at.min(ends_at)).await;
        Ok(RotatedApiKey { created, old_key })
    }

    /// Sets the time from which the key is refused; it can be later than before.
    ///
    /// # Errors
    /// `not_found`, `store_unavailable`.
    pub async fn set_expiry(&self, id: &str, expires_at: UnixTime) -> Result<ApiKey, ApiKeyError> {
        self.change(id, |key| key.expires_at = expires_at.min(UnixTime::MAX).as_secs()).await
    }

    /// Revokes a key for good. Services refuse it within 5 s, or [`refresh_every`](ApiKeysBuilder::refresh_every), and within
    /// [`max_age`](ApiKeysBuilder::max_age) if they cannot read the store meanwhile.
    ///
    /// # Errors
    /// `not_found`, `store_unavailable`.
    pub async fn revoke(&self, id: &str) -> Result<ApiKey, ApiKeyError> {
        let now = self.now().as_secs();
        self.change(id, |key| key.revoked_at = key.revoked_at.or(Some(now))).await
    }

    /// Removes a key that was revoked or has ended.
    ///
    /// # Errors
    /// `invalid` if the key is still valid; `not_found`, `store_unavailable`.
    pub async fn remove(&self, id: &str) -> Result<(), ApiKeyError> {
        for _ in 0..ATTEMPTS {
            let ApiKey(key) = self.get(id).await?;
            if key.is_valid_at(self.now()) {
                return Err(ApiKeyError::new(Kind::Invalid, "the key is still valid; revoke it first"));
            }
            if self.ring.store().remove(key.id, key.version).await? {
                self.read_again().await;
                return Ok(());
            }
        }
        Err(changed_meanwhile())
    }

    /// Records the uses of the last seconds now, before a service ends.
    pub async fn record_uses(&self) {
        self.ring.record_uses().await;
    }

    fn now(&self) -> UnixTime {
        self.ring.clock.get().now()
    }

    /// Stores a new key with a text of its own.
    async fn add(&self, key: StoredKey) -> Result<CreatedApiKey, ApiKeyError> {
        for _ in 0..ATTEMPTS {
            let generated = self.prefix.generate();
            let no_random = |_| ApiKeyError::new(Kind::StoreUnavailable, "the system gives no random bytes; try again");
            let (text, id) = generated.map_err(no_random)?;
            let mac = self.pepper.mac(text.expose());
            let key = StoredKey { id, mac, ..key.clone() };
            let stored = self.ring.store().put(key.clone()).await;
            if stored.map_err(|error| ApiKeyError::of_new_key(&error, key.id.clone()))? {
                self.read_again().await;
                return Ok(CreatedApiKey { text, key: ApiKey(key) });
            }
        }
        Err(changed_meanwhile())
    }

    async fn change(&self, id: &str, change: impl Fn(&mut StoredKey)) -> Result<ApiKey, ApiKeyError> {
        for _ in 0..ATTEMPTS {
            let ApiKey(mut key) = self.get(id).await?;
            let before = key.clone();
            change(&mut key);
            if key == before {
                return Ok(ApiKey(key));
            }
            key.version += 1;
            if self.ring.store().put(key.clone()).await? {
                self.read_again().await;
                return Ok(ApiKey(key));
            }
        }
        Err(changed_meanwhile())
    }

    /// Layers of this process know a change at once.
    async fn read_again(&self) {
        let _ = self.ring.read(None).await;
    }
}

fn find<'k>(keys: &'k [ApiKey], id: &str) -> Result<&'k ApiKey, ApiKeyError> {
    let key = keys.iter().find(|key| key.id() == id);
    key.ok_or_else(|| ApiKeyError::new(Kind::NotFound, "there is no key of this id"))
}

/// Checks that the client may have another key.
fn check_room(keys: &[ApiKey], client: &str, now: UnixTime) -> Result<(), ApiKeyError> {
    let valid = keys.iter().filter(|key| key.client() == client && key.is_valid_at(now)).count();
    match valid < MAX_OF_CLIENT {
        true => Ok(()),
        false => {
            let problem = format!("the client has {MAX_OF_CLIENT} valid keys; revoke some that it does not use");
            Err(ApiKeyError::new(Kind::TooManyKeys, problem))
        }
    }
}

fn changed_meanwhile() -> ApiKeyError {
    ApiKeyError::new(Kind::StoreUnavailable, "others change the key at the same time; try again")
}

impl ApiKeysBuilder {
    /// Sets the word before each key, such as that of the company: people and scanners of leaked secrets know a key by it.
    /// Default: `key`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        ApiKeysBuilder { prefix: prefix.into(), ..self }
    }

    /// Takes keys from this header, such as `x-api-key`, and from no other. Default: as bearer tokens in `Authorization`.
    pub fn header(self, name: impl Into<String>) -> Self {
        ApiKeysBuilder { header: Some(name.into()), ..self }
    }

    /// Sets the age up to which keys in memory are used without another read: the time within which a revoked key is refused.
    /// Default: 5 s. At least 1 s.
    pub fn refresh_every(self, age: Duration) -> Self {
        ApiKeysBuilder { refresh_every: age, ..self }
    }

    /// Sets the age up to which keys in memory are used while the store cannot be read. Later, requests with keys get 503.
    /// Default: 60 s.
    pub fn max_age(self, age: Duration) -> Self {
        ApiKeysBuilder { max_age: age, ..self }
    }

    /// Builds the keys. The store is read at the first request.
    ///
    /// # Errors
    /// `ConfigError` with every fault, on fields `issuer`, `prefix`, `header`, `refresh_every` and `max_age`.
    pub fn build(self) -> Result<ApiKeys, ConfigError> {
        let mut faults = Vec::new();
        if self.issuer.is_empty() || self.issuer.contains(char::is_whitespace) {
            faults.push(Fault::new(
                "issuer",
                "empty or with spaces; use an address of yours, such as https://shop.example.com/api-keys",
            ));
        }
        let prefix = Prefix::new(&self.prefix).map_err(|fault| faults.push(fault)).ok();
        let header = self.header.map(|name| HeaderName::from_bytes(name.as_bytes()));
        let header = header.transpose().unwrap_or_else(|_| {
            faults.push(Fault::new("header", "not the name of a header; write one such as x-api-key"));
            None
        });
        if self.refresh_every < Duration::from_secs(1) {
            faults.push(Fault::new("refresh_every", "shorter than a second"));
        }
        if self.max_age < self.refresh_every {
            faults.push(Fault::new("max_age", "shorter than refresh_every"));
        }
        let ring = Arc::new(Ring::new(self.store, self.refresh_every, self.max_age));
        let issuer = self.issuer.into();
        match prefix {
            Some(prefix) if faults.is_empty() => Ok(ApiKeys { issuer, prefix, pepper: self.pepper, header, ring }),
            _ => Err(ConfigError::check(faults).err().unwrap_or_else(|| ConfigError::new("prefix", "not usable"))),
        }
    }
}

impl ApiKeySource for ApiKeys {
    fn header(&self) -> Option<HeaderName> {
        self.header.clone()
    }

    fn for_verifier(&self, verifier: &Verifier) -> Result<Arc<dyn ApiKeyCheck>, Vec<Fault>> {
        let mut faults: Vec<Fault> = self.ring.clock.attach(verifier.clock()).into_iter().collect();
        if !verifier.issuers().any(|issuer| issuer.issuer() == &*self.issuer) {
            let problem = format!("the verifier does not trust {}; add ApiKeys::issuer to it", self.issuer);
            faults.push(Fault::new("api_keys", problem));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (ring, issuer) = (Arc::clone(&self.ring), Arc::clone(&self.issuer));
        Ok(Arc::new(Check::new(ring, verifier.clone(), issuer, self.prefix.clone(), self.pepper.clone())))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("issuer", &self.issuer).field("ring", &self.ring).finish_non_exhaustive()
    }
}
