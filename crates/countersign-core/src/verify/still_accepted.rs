//! Verified tokens that are looked at again while a response runs.

use std::sync::Arc;
use std::time::Duration;

use super::binding::Possession;
use super::revision::{Current, Revision};
use super::verified::Verified;
use super::verifier::Verifier;
use crate::key::{CurrentKeys, Lookup, RefreshOutcome, RefreshReason};
use crate::policy::{IssuerLookup, TrustedIssuer};

/// The issuer of a verified token, as it is trusted now.
enum Trust {
    /// Under the rules of this value.
    Now(Arc<TrustedIssuer>),
    Ended,
    /// Its source does not answer, or has evicted it.
    Unknown,
}

impl Verifier {
    /// Returns whether a request with this token would still be accepted, and with the same authorities.
    ///
    /// For responses that run for long. Keys or issuers that cannot be fetched now refuse no token here. If the verifier has no
    /// cache, a token does not outlive the policy under which it was verified.
    pub(crate) async fn still_accepts(&self, verified: &Verified) -> bool {
        if !verified.is_timely(self.0.clock.now()) {
            return false;
        }
        if verified.key_label().is_none() {
            return self.still_vouches(verified);
        }
        if self.is_unchanged(verified) {
            return true;
        }
        match verified.token() {
            Some(token) => match self.verify_with(token, &Possession::of(verified.binding())).await {
                Ok(again) => again.has_authorities_of(verified),
                Err(error) => error.is_unavailable() && !self.has_withdrawn_keys(verified),
            },
            None => self.still_trusts(verified).await,
        }
    }

    /// Returns whether the issuer, its rules and the key are those with which the token was verified.
    fn is_unchanged(&self, verified: &Verified) -> bool {
        let elapsed = self.0.clock.elapsed();
        let issuer = verified.trusted_issuer();
        let revision = self.0.current.load();
        let is_same = match (issuer.is_resolved, &self.0.current) {
            (false, _) => revision.has(issuer),
            (true, Current::Fixed(revision)) => revision.is_still_trusted(verified, elapsed),
            (true, Current::Replaceable(_)) => false, // rules for all issuers may be others
        };
        is_same && keys_accept(issuer, verified, elapsed) == Some(true)
    }

    /// Returns whether the issuer withdrew all its keys, so that none will come.
    fn has_withdrawn_keys(&self, verified: &Verified) -> bool {
        let revision = self.0.current.load();
        let is_withdrawn = |issuer: &TrustedIssuer| issuer.keys.cell().is_withdrawn();
        match (revision.issuers.get(verified.issuer()), &revision.resolved) {
            (Some(issuer), _) => is_withdrawn(issuer),
            (None, Some(source)) => match source.lookup(verified.issuer()) {
                IssuerLookup::Trusted(found) => is_withdrawn(found.issuer()),
                IssuerLookup::NotTrusted | IssuerLookup::Unknown => false,
            },
            (None, None) => false,
        }
    }

    /// The same without the text of the token: its issuer must be trusted under the same rules, and have the same key.
    async fn still_trusts(&self, verified: &Verified) -> bool {
        let issuer = match self.trust(verified.trusted_issuer()).await {
            Trust::Now(issuer) => issuer,
            Trust::Ended => return false,
            Trust::Unknown => return true,
        };
        if let Some(accepted) = keys_accept(&issuer, verified, self.0.clock.elapsed()) {
            return accepted;
        }
        let _ = issuer.keys.refresh(RefreshReason::NoUsableKeys).await;
        keys_accept(&issuer, verified, self.0.clock.elapsed()).unwrap_or_else(|| !issuer.keys.cell().is_withdrawn())
    }

    async fn trust(&self, issuer: &Arc<TrustedIssuer>) -> Trust {
        if !issuer.is_resolved {
            return if self.0.current.load().has(issuer) { Trust::Now(Arc::clone(issuer)) } else { Trust::Ended };
        }
        let Some(source) = self.0.current.load().resolved.clone() else { return Trust::Ended };
        let mut found = source.lookup(issuer.issuer());
        if let IssuerLookup::Unknown = found {
            match source.resolve(issuer.issuer()).await {
                RefreshOutcome::Refreshed => found = source.lookup(issuer.issuer()),
                RefreshOutcome::Unavailable { .. }
                | RefreshOutcome::InProgress { .. }
                | RefreshOutcome::Deferred { .. } => return Trust::Unknown,
            }
        }
        match found {
            IssuerLookup::Trusted(found) => {
                found.record_use(self.0.clock.elapsed());
                let now = found.issuer();
                let has_same_rules = Arc::ptr_eq(now, issuer) || now.fingerprint() == issuer.fingerprint();
                if has_same_rules { Trust::Now(Arc::clone(now)) } else { Trust::Ended }
            }
            IssuerLookup::NotTrusted => Trust::Ended,
            IssuerLookup::Unknown => Trust::Unknown,
        }
    }
}

impl Revision {
    /// Returns whether it trusts this very issuer, under the same rules.
    pub(super) fn has(&self, issuer: &Arc<TrustedIssuer>) -> bool {
        self.issuers.get(issuer.issuer()).is_some_and(|known| Arc::ptr_eq(known, issuer))
    }
}

/// Returns whether the issuer still has the key that signed the token; `None` if no set of keys is usable now.
fn keys_accept(issuer: &TrustedIssuer, verified: &Verified, elapsed: Duration) -> Option<bool> {
    let current = issuer.keys.cell().load();
    let keys: &CurrentKeys = current.as_ref().filter(|keys| keys.is_usable(elapsed))?;
    let has_key = || {
        let Some(label) = verified.key_label() else { return false };
        match keys.set.find(label.key_id(), label.algorithm(), issuer.unlabelled_rsa) {
            Lookup::Found(found) => found.iter().any(|key| key.label().is_same_key(label)),
            Lookup::Missing | Lookup::Ambiguous | Lookup::OtherAlgorithm { .. } => false,
        }
    };
    Some(keys.epoch == verified.epoch || has_key())
}

/// Returns whether `verifier` would still accept a request with this token, and with the same authorities. For responses that
/// run for long: keys or issuers that cannot be fetched now refuse no token.
pub async fn still_accepts(verifier: &Verifier, verified: &Verified) -> bool {
    verifier.still_accepts(verified).await
}
