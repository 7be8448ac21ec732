//! Names, keys, tokens and bundles.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign::bundle::BundleDraft;
use countersign::clock::UnixTime;
use countersign::policy::Policy;
use countersign_benches::sample::{self, AUDIENCE, ISSUER};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_core::status::{StatusList, StatusListDraft};
use serde_json::{Value, json};

use crate::Result;

pub(crate) const FLEET: &str = "orders-production";

/// How long a status list may be used before it is fetched again: the default of the embedded issuer.
pub(crate) const STATUS_TTL: Duration = Duration::from_secs(5);

/// The tokens that a status list has room for.
pub(crate) const LISTED: u64 = 1_000_000;

/// The keys of an issuer and of whoever signs bundles.
pub(crate) struct World {
    pub(crate) tokens: Signer,
    pub(crate) bundles: Signer,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let tokens = sample::signer(Algorithm::ES256);
        Ok(World { tokens, bundles: Signer::generate(Algorithm::ES256)? })
    }

    /// A bundle of this revision; its content differs from that of others.
    pub(crate) fn bundle(&self, revision: u64) -> Result<String> {
        Ok(self.draft(FLEET, revision).sign(&self.bundles)?)
    }

    pub(crate) fn draft(&self, fleet: &str, revision: u64) -> BundleDraft {
        BundleDraft::new(fleet, revision, policy(revision)).created_at(now())
    }

    /// A bundle whose payload was changed before it was signed, with this type.
    pub(crate) fn changed(&self, kind: &str, revision: u64, change: impl FnOnce(&mut Value)) -> Result<String> {
        let header = json!({ "alg": "ES256", "kid": self.bundles.key_id(), "typ": kind }).to_string();
        let policy: Value = serde_json::from_str(&policy(revision).to_json())?;
        let now = now().as_secs();
        let mut payload =
            json!({ "aud": FLEET, "revision": revision, "iat": now, "exp": now + 3600, "policy": policy });
        change(&mut payload);
        Ok(self.bundles.sign_compact(header.as_bytes(), payload.to_string().as_bytes()).ok_or("not signed")?)
    }

    pub(crate) fn token(&self, number: usize) -> String {
        sample::token(&self.tokens, ISSUER, number)
    }

    /// A token with a place in the status list at `uri`.
    pub(crate) fn listed(&self, number: usize, uri: &str) -> String {
        sample::listed_token(&self.tokens, ISSUER, number, uri)
    }

    pub(crate) fn status_list(&self, list: &StatusList, uri: &str) -> Result<String> {
        let draft = StatusListDraft::new(uri, list).issued_at(now());
        Ok(draft.lifetime(Duration::from_secs(300)).ttl(STATUS_TTL).sign(&self.tokens)?)
    }
}

/// The policy of a revision.
pub(crate) fn policy(revision: u64) -> Policy {
    let mut policy = Policy::access_token(ISSUER, AUDIENCE);
    policy.issuers[0].leeway_seconds = Some(1 + revision % 250);
    policy
}

/// The `jti` of the token of this number.
pub(crate) fn token_id(number: usize) -> String {
    format!("01938f2e-7c4a-7b21-9e5d-{number:012x}")
}

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(micros() / 1_000_000)
}

/// The time in microseconds since 1970, which all processes of a machine read alike.
pub(crate) fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
