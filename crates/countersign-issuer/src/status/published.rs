//! Signed lists, as they are published.

use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::sha256;
use countersign_core::mint::Signer;
use countersign_core::status::{StatusList, StatusListDraft};

use super::indices::StatusIndex;
use super::settings::StatusListSettings;
use crate::store::LIST_ENTRIES;

/// A signed list with its validator.
pub(crate) struct PublishedList {
    pub(crate) token: String,
    pub(crate) etag: String,
    pub(super) revoked: Vec<u64>,
    key_id: String,
    signed_at: UnixTime,
}

impl PublishedList {
    /// Signs a list with these revoked indices; `None` if the key cannot sign.
    pub(super) fn sign(
        uri: &str,
        issuer: &str,
        revoked: Vec<u64>,
        signer: &Signer,
        settings: &StatusListSettings,
        now: UnixTime,
    ) -> Option<Self> {
        let mut list = StatusList::new(1, LIST_ENTRIES).ok()?;
        let is_set = revoked.iter().all(|index| list.set(StatusIndex(*index).within(), 1));
        let signed_at = UnixTime::from_secs(now.as_secs()); // whole seconds, rounded down
        let draft = StatusListDraft::new(uri, &list).issuer(issuer).issued_at(signed_at);
        let token = draft.lifetime(settings.lifetime).ttl(settings.ttl).sign(signer).ok().filter(|_| is_set)?;
        // Of the same content and period, instances have the same validator, although their signatures differ: it is a weak one.
        let period = signed_at.as_secs() / (settings.lifetime.as_secs() / 2).max(1);
        let content = format!("{uri} {} {period} {revoked:?}", signer.key_id());
        let digest: String = sha256(&content).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Some(PublishedList {
            token,
            etag: format!("\"{digest}\""),
            revoked,
            key_id: signer.key_id().to_owned(),
            signed_at,
        })
    }

    /// Returns whether it may still be published with this key.
    pub(super) fn is_current(&self, signer: &Signer, settings: &StatusListSettings, now: UnixTime) -> bool {
        let half = Duration::from_secs((settings.lifetime.as_secs() / 2).max(1));
        let is_young = self.signed_at <= now && now < self.signed_at.saturating_add(half);
        is_young && self.key_id == signer.key_id()
    }
}
