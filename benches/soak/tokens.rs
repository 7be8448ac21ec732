//! Tokens of the provider: good ones, revoked ones, and what an attacker makes of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use countersign::revocation::RevocationList;
use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;
use serde_json::Value;

use crate::provider::{AUDIENCE, CLIENT, Provider};

/// A good token is used for this long; it lives for 60 s.
const USED_FOR: Duration = Duration::from_secs(45);

/// Every so many tokens, one is revoked instead of used.
const REVOKED: u64 = 10;

pub(crate) struct Tokens {
    endpoint: String,
    secret: Secret<String>,
    issuer: String,
    http: reqwest::Client,
    list: Arc<RevocationList>,
    issued: AtomicU64,
    good: Mutex<VecDeque<(Arc<str>, Instant)>>,
    revoked: Mutex<VecDeque<(Arc<str>, Instant)>>,
}

impl Tokens {
    pub(crate) fn new(provider: &Provider, list: Arc<RevocationList>) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build().expect("a client");
        Tokens {
            endpoint: format!("{}/token", provider.url),
            secret: provider.secret.clone(),
            issuer: provider.url.clone(),
            http,
            list,
            issued: AtomicU64::new(0),
            good: Mutex::default(),
            revoked: Mutex::default(),
        }
    }

    pub(crate) fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// A good token; the newest one for index 0.
    pub(crate) fn good(&self, index: usize) -> Option<Arc<str>> {
        pick(&self.good, index)
    }

    pub(crate) fn revoked(&self, index: usize) -> Option<Arc<str>> {
        pick(&self.revoked, index)
    }

    async fn fetch(&self) -> Option<()> {
        let body = format!("grant_type=client_credentials&audience={AUDIENCE}");
        let request = self.http.post(&self.endpoint).basic_auth(CLIENT, Some(self.secret.expose()));
        let form = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer: Value = serde_json::from_slice(&form.send().await.ok()?.bytes().await.ok()?).ok()?;
        let token: Arc<str> = answer.get("access_token")?.as_str()?.into();
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        if number % REVOKED == REVOKED - 1 {
            let id = claims(&token)?.get("jti")?.as_str()?.to_owned();
            self.list.revoke_token(&self.issuer, &id, UnixTime::MAX).ok()?;
            push(&self.revoked, token);
        } else {
            push(&self.good, token);
        }
        Some(())
    }
}

/// Fetches ten tokens a second while the provider answers.
pub(crate) async fn refill(tokens: Arc<Tokens>, ends_at: Instant) {
    while Instant::now() < ends_at {
        let _ = tokens.fetch().await; // a suspended provider is part of the soak
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn push(tokens: &Mutex<VecDeque<(Arc<str>, Instant)>>, token: Arc<str>) {
    lock(tokens).push_front((token, Instant::now()));
}

fn pick(tokens: &Mutex<VecDeque<(Arc<str>, Instant)>>, index: usize) -> Option<Arc<str>> {
    let mut tokens = lock(tokens);
    while tokens.back().is_some_and(|(_, since)| since.elapsed() > USED_FOR) {
        tokens.pop_back();
    }
    let count = tokens.len().max(1);
    tokens.get(index % count).map(|(token, _)| Arc::clone(token))
}

fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64URL.decode_to_vec(payload).ok()?).ok()
}

/// The same token with another signature.
pub(crate) fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap_or_default();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{message}.{first}{}", signature.get(1..).unwrap_or_default())
}

/// The same token with a `kid` that nobody has.
pub(crate) fn with_invented_key(token: &str, number: u64) -> Option<String> {
    let (header, rest) = token.split_once('.')?;
    let mut header: Value = serde_json::from_slice(&BASE64URL.decode_to_vec(header).ok()?).ok()?;
    *header.get_mut("kid")? = format!("invented-{number}").into();
    Some(format!("{}.{rest}", BASE64URL.encode_to_string(header.to_string())))
}
