//! The check of the keys of one layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::{ApiKeyAnswer, ApiKeyCheck};
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::VerifyError;
use countersign_core::integration::{DigestCache, DigestKey, is_vouched_now, verified_bytes, view_of, vouch};
use countersign_core::secret::Secret;
use countersign_core::token::CredentialKind;
use countersign_core::verify::{Verified, Verifier};
use serde_json::json;

use crate::form::Prefix;
use crate::pepper::Pepper;
use crate::ring::{Entry, PAUSE, Ring};
use crate::store::StoredKey;

/// The capacity for callers in memory, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The mean memory of a caller, which sizes the table, in bytes.
const MEAN_CALLER: usize = 1024;

/// Callers are checked by the rules again after this time.
const CHECK_AGAIN: Duration = Duration::from_secs(3600);

type Answer = Result<Arc<Verified>, VerifyError>;

/// The check of one layer.
pub(crate) struct Check(Arc<Inner>);

struct Inner {
    ring: Arc<Ring>,
    verifier: Verifier,
    issuer: Arc<str>,
    prefix: Prefix,
    pepper: Pepper,
    digests: DigestKey,
    callers: DigestCache<Caller>,
}

/// The caller of a key, as long as the key stays the same.
struct Caller {
    entry: Arc<Entry>,
    verified: Arc<Verified>,
}

impl Caller {
    fn view(this: &Arc<Self>) -> Arc<Self> {
        Arc::new(Caller { entry: Arc::clone(&this.entry), verified: view_of(&this.verified) })
    }
}

impl Check {
    pub(crate) fn new(ring: Arc<Ring>, verifier: Verifier, issuer: Arc<str>, prefix: Prefix, pepper: Pepper) -> Self {
        let callers = DigestCache::shared_by(CACHE_BYTES, MEAN_CALLER, Caller::view);
        Check(Arc::new(Inner { ring, verifier, issuer, prefix, pepper, digests: DigestKey::random(), callers }))
    }
}

impl Inner {
    /// The caller of a key, which has the id of this entry.
    fn check_key(&self, key: &str, entry: &Arc<Entry>) -> Answer {
        if !self.pepper.matches(key, &entry.mac) {
            return Err(VerifyError::unknown_api_key());
        }
        if entry.key.revoked_at.is_some() {
            return Err(VerifyError::revoked("the API key was revoked"));
        }
        let clock = self.verifier.clock();
        // The leeway of the issuer is for clocks of others.
        if clock.now() >= UnixTime::from_secs(entry.key.expires_at) {
            return Err(VerifyError::api_key_expired());
        }
        let digest = self.digests.digest(&entry.key.id);
        let verified = match self.callers.get(digest, clock.elapsed()) {
            Some((caller, _))
                if Arc::ptr_eq(&caller.entry, entry) && is_vouched_now(&self.verifier, &caller.verified) =>
            {
                Arc::clone(&caller.verified)
            }
            _ => {
                let claims = claims(&self.issuer, &entry.key);
                let verified = vouch(&self.verifier, &self.issuer, CredentialKind::ApiKey, claims)?;
                let caller = Caller { entry: Arc::clone(entry), verified: Arc::clone(&verified) };
                let ends_at = clock.elapsed().saturating_add(CHECK_AGAIN);
                self.callers.insert(digest, Arc::new(caller), verified_bytes(&verified), ends_at);
                verified
            }
        };
        self.ring.note_use(entry, clock.now());
        Ok(verified)
    }

    /// Waits for the store, because the keys in memory are too old or do not have this one.
    async fn check_again(&self, key: Secret<String>) -> Answer {
        let id = self.prefix.read(key.expose()).map_err(VerifyError::impossible)?;
        let loaded = self.ring.read(Some(id)).await.map_err(|_| unavailable())?;
        match loaded.as_ref().and_then(|loaded| loaded.get(id)) {
            Some(entry) => self.check_key(key.expose(), entry),
            None => Err(self.not_found()),
        }
    }

    /// Returns whether the key of this id is valid, as far as the store can tell.
    async fn has_valid(&self, id: Option<&str>) -> bool {
        let loaded = match self.ring.current() {
            Some(loaded) => loaded,
            None => match self.ring.read(id).await {
                Ok(loaded) => loaded,
                Err(_) => return true,
            },
        };
        let entry = loaded.as_ref().zip(id).and_then(|(loaded, id)| loaded.get(id));
        entry.is_some_and(|entry| entry.key.is_valid_at(self.verifier.clock().now()))
    }

    /// The error of a key that is not known.
    fn not_found(&self) -> VerifyError {
        if self.ring.is_failing() { unavailable() } else { VerifyError::unknown_api_key() }
    }
}

impl ApiKeyCheck for Check {
    fn takes(&self, credential: &str) -> bool {
        self.0.prefix.starts(credential)
    }

    fn check(&self, key: &str) -> ApiKeyAnswer {
        let inner = &self.0;
        let id = match inner.prefix.read(key) {
            Ok(id) => id,
            Err(reason) => return ApiKeyAnswer::Known(Err(VerifyError::impossible(reason))),
        };
        if let Some(loaded) = inner.ring.current() {
            if let Some(entry) = loaded.as_ref().and_then(|loaded| loaded.get(id)) {
                return ApiKeyAnswer::Known(inner.check_key(key, entry));
            }
            if !inner.ring.may_know_more() {
                return ApiKeyAnswer::Known(Err(inner.not_found()));
            }
        }
        let (inner, key) = (Arc::clone(inner), Secret::from(key));
        ApiKeyAnswer::Pending(Box::pin(async move { inner.check_again(key).await }))
    }

    fn still_accepts(&self, verified: &Verified) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let (inner, id) = (Arc::clone(&self.0), verified.token_id().map(str::to_owned));
        Box::pin(async move { inner.has_valid(id.as_deref()).await })
    }
}

fn unavailable() -> VerifyError {
    VerifyError::api_keys_unavailable(PAUSE, "the store of API keys cannot be read now")
}

/// The claims of a key, as those of a token.
fn claims(issuer: &str, key: &StoredKey) -> Vec<u8> {
    let mut claims = json!({
        "iss": issuer,
        "sub": key.subject.as_deref().unwrap_or(&key.client),
        "client_id": key.client,
        "aud": key.audiences,
        "iat": key.created_at,
        "exp": key.expires_at,
        "jti": key.id,
        "scope": key.scopes.join(" "),
        "roles": key.roles,
        "permissions": key.permissions,
    });
    if let Some(tenant) = &key.tenant {
        claims["tenant"] = json!(tenant);
    }
    claims.to_string().into_bytes()
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyCheck").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}
