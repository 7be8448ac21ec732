//! Status lists before they are signed.

use std::time::Duration;

use serde_json::json;

use super::list::StatusList;
use super::{MAX_STATUS_URI_BYTES, STATUS_LIST_TYPE};
use crate::clock::UnixTime;
use crate::error::{ConfigError, Fault};
use crate::mint::Signer;
use crate::token::encode_base64url;

/// A status list to sign. No time comes from a clock.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::clock::UnixTime;
/// use countersign_core::key::Algorithm;
/// use countersign_core::mint::Signer;
/// use countersign_core::status::{StatusList, StatusListDraft};
///
/// let signer = Signer::generate(Algorithm::ES256)?;
/// let mut list = StatusList::new(1, 100_000)?;
/// assert!(list.set(7, 1));
/// let token = StatusListDraft::new("https://id.example.com/status-lists/1", &list)
///     .issued_at(UnixTime::from_secs(1_800_000_000))
///     .lifetime(Duration::from_secs(3600))
///     .ttl(Duration::from_secs(60))
///     .sign(&signer)?;
/// assert_eq!(token.matches('.').count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a draft is not a list until it is signed"]
pub struct StatusListDraft<'l> {
    uri: String,
    list: &'l StatusList,
    issuer: Option<String>,
    issued_at: Option<UnixTime>,
    lifetime: Option<Duration>,
    ttl: Option<Duration>,
}

impl<'l> StatusListDraft<'l> {
    /// A list that is published at `uri`, the address that tokens name.
    pub fn new(uri: impl Into<String>, list: &'l StatusList) -> Self {
        StatusListDraft { uri: uri.into(), list, issuer: None, issued_at: None, lifetime: None, ttl: None }
    }

    /// The issuer (`iss`). Default: none, as the draft needs none.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        StatusListDraft { issuer: Some(issuer.into()), ..self }
    }

    /// The time of issue (`iat`), in whole seconds. Required.
    pub fn issued_at(self, issued_at: UnixTime) -> Self {
        StatusListDraft { issued_at: Some(issued_at), ..self }
    }

    /// The time from its issue to its expiry (`exp`), in whole seconds. Default: it does not expire.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        StatusListDraft { lifetime: Some(lifetime), ..self }
    }

    /// The time after which services fetch it again (`ttl`), in whole seconds. Default: they decide.
    pub fn ttl(self, ttl: Duration) -> Self {
        StatusListDraft { ttl: Some(ttl), ..self }
    }

    /// Signs the list.
    ///
    /// # Errors
    /// `ConfigError` on fields `uri`, `issued_at`, `lifetime` and `ttl`, and on `key` if it cannot sign.
    pub fn sign(&self, signer: &Signer) -> Result<String, ConfigError> {
        let mut faults = Vec::new();
        if self.uri.is_empty()
            || self.uri.len() > MAX_STATUS_URI_BYTES
            || !self.uri.bytes().all(|byte| byte.is_ascii_graphic())
        {
            faults
                .push(Fault::new("uri", "empty, longer than 1024 bytes, or with spaces; name the address of the list"));
        }
        if self.issued_at.is_none() {
            faults.push(Fault::new("issued_at", "not set; state the time"));
        }
        for (field, time) in [("lifetime", self.lifetime), ("ttl", self.ttl)] {
            if time.is_some_and(|time| time < Duration::from_secs(1)) {
                faults.push(Fault::new(field, "below 1 s; services could not use the list"));
            }
        }
        ConfigError::check(faults)?;
        let issued_at = self.issued_at.unwrap_or_default();
        let header = json!({ "alg": signer.algorithm().name(), "kid": signer.key_id(), "typ": STATUS_LIST_TYPE });
        let list = json!({ "bits": self.list.bits(), "lst": encode_base64url(&self.list.to_compressed()) });
        let mut payload = json!({ "sub": self.uri, "iat": issued_at.as_secs(), "status_list": list });
        let mut add = |name: &str, value: Option<serde_json::Value>| {
            if let (Some(members), Some(value)) = (payload.as_object_mut(), value) {
                members.insert(name.to_owned(), value);
            }
        };
        add("iss", self.issuer.as_ref().map(|issuer| json!(issuer)));
        add("exp", self.lifetime.map(|lifetime| json!(issued_at.saturating_add(lifetime).as_secs())));
        add("ttl", self.ttl.map(|ttl| json!(ttl.as_secs())));
        signer
            .sign_compact(header.to_string().as_bytes(), payload.to_string().as_bytes())
            .ok_or_else(|| ConfigError::new("key", "could not sign"))
    }
}
