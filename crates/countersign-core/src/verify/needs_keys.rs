//! The keys that a verification still needs, and the error if they stay missing.
//!
//! [`Pending::after`] decides between 401 and 503: a key missing from a set that was fetched after the request came is an
//! `unknown_key` (401), or `key_mismatch` if it is there for another algorithm; what cannot be fetched now, or not yet, is `keys_unavailable` (503).

use std::sync::Arc;
use std::time::Duration;

use super::revision::RevisionMark;
use super::span::VerificationSpan;
use crate::clock::Clock;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::{Algorithm, KeySource, Lookup, RefreshOutcome, RefreshReason, VerifyingKey};
use crate::policy::{IssuerLookup, IssuerSource, TrustedIssuer};
use crate::redact::{safe_text, word};
use crate::token::Header;

/// The `Retry-After` if a source names no time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The number of keys that a message names.
const MAX_LISTED: usize = 8;

/// The source that may have the missing key, or that knows whether the issuer is trusted.
#[derive(Clone, Debug)]
pub struct NeedsKeys {
    need: Need,
    /// The policy that found the key missing, if it can be replaced.
    revision: Option<RevisionMark>,
    /// The span of the verification, if it is enabled.
    span: Option<Box<VerificationSpan>>,
}

#[derive(Clone, Debug)]
enum Need {
    Keys { source: Arc<dyn KeySource>, lack: Lack, key_id: Option<Box<str>> },
    Issuer { source: Arc<dyn IssuerSource>, name: Box<str>, key: TokenKey, clock: Arc<dyn Clock> },
}

/// The lack of the current keys that only the source can end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lack {
    /// No set is usable.
    UsableKeys,
    /// The set lacks the key.
    Key,
    /// The set has a key of this name for another algorithm than this one. The issuer may have replaced it under the same name,
    /// or publish another of the same name.
    KeyFor(Algorithm),
}

impl Lack {
    fn reason(self) -> RefreshReason {
        match self {
            Lack::UsableKeys => RefreshReason::NoUsableKeys,
            Lack::Key | Lack::KeyFor(_) => RefreshReason::MissingKey,
        }
    }
}

/// The key that a token names, to be fetched along with its issuer.
#[derive(Clone, Debug)]
struct TokenKey {
    key_id: Option<Box<str>>,
    algorithm: Option<Algorithm>,
}

impl NeedsKeys {
    pub(super) fn from_source(issuer: &TrustedIssuer, lack: Lack, key_id: Option<&str>) -> Self {
        let need = Need::Keys { source: Arc::clone(&issuer.keys), lack, key_id: key_id.map(Box::from) };
        NeedsKeys { need, revision: None, span: None }
    }

    pub(super) fn from_resolver(
        source: Arc<dyn IssuerSource>,
        name: &str,
        header: Option<&Header>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key_id = header.and_then(|header| header.key_id.as_deref()).map(Box::from);
        let key = TokenKey { key_id, algorithm: header.and_then(|header| header.algorithm) };
        let need = Need::Issuer { source, name: name.into(), key, clock };
        NeedsKeys { need, revision: None, span: None }
    }

    /// Asks the source for newer keys, within its cool-down and its time limits.
    ///
    /// If the verifier's policy was replaced meanwhile, its keys may be those of another source, which was not asked.
    pub async fn refresh(&self) -> RefreshOutcome {
        let outcome = match &self.span {
            Some(span) => span.wait(self.refresh_source()).await,
            None => self.refresh_source().await,
        };
        match outcome {
            RefreshOutcome::Refreshed if self.revision.as_ref().is_some_and(RevisionMark::is_over) => {
                RefreshOutcome::Deferred { retry_after: RETRY_AFTER }
            }
            outcome => outcome,
        }
    }

    /// The span of the verification, for its last part.
    #[must_use]
    pub fn span(&self) -> VerificationSpan {
        self.span.as_deref().cloned().unwrap_or_default()
    }

    /// The same keys, needed by the verification of this span.
    pub(super) fn within(self, span: Box<VerificationSpan>) -> Self {
        NeedsKeys { span: Some(span), ..self }
    }

    async fn refresh_source(&self) -> RefreshOutcome {
        match &self.need {
            Need::Keys { source, lack, key_id } => refresh(&**source, lack.reason(), key_id.as_deref()).await,
            Need::Issuer { source, name, key, clock } => match source.resolve(name).await {
                RefreshOutcome::Refreshed => match source.lookup(name) {
                    IssuerLookup::Trusted(found) => key.fetch(found.issuer(), clock.elapsed()).await,
                    _ => RefreshOutcome::Refreshed,
                },
                unavailable => unavailable,
            },
        }
    }
}

async fn refresh(source: &dyn KeySource, reason: RefreshReason, key_id: Option<&str>) -> RefreshOutcome {
    match reason {
        RefreshReason::MissingKey => source.refresh_for_key(key_id).await,
        RefreshReason::NoUsableKeys => source.refresh(reason).await,
    }
}

impl TokenKey {
    /// Refreshes the keys of the issuer if this key is not cached.
    async fn fetch(&self, issuer: &TrustedIssuer, elapsed: Duration) -> RefreshOutcome {
        let reason = {
            let current = issuer.keys.cell().load();
            match current.as_ref().filter(|keys| keys.is_usable(elapsed)).zip(self.algorithm) {
                Some((keys, algorithm)) => {
                    match keys.set.find(self.key_id.as_deref(), algorithm, issuer.unlabelled_rsa) {
                        Lookup::Missing | Lookup::OtherAlgorithm { is_confusion: false } => RefreshReason::MissingKey,
                        _ => return RefreshOutcome::Refreshed,
                    }
                }
                None => RefreshReason::NoUsableKeys,
            }
        };
        refresh(&*issuer.keys, reason, self.key_id.as_deref()).await
    }
}

/// The reason why cached keys do not decide a token.
pub(super) enum Pending {
    Refused(VerifyError),
    NeedsKeys(NeedsKeys),
}

impl Pending {
    pub(super) fn needs(issuer: &TrustedIssuer, lack: Lack, key_id: Option<&str>) -> Self {
        Pending::NeedsKeys(NeedsKeys::from_source(issuer, lack, key_id))
    }

    /// Marks the revision that found the keys missing.
    #[inline]
    pub(super) fn marked(self, revision: impl FnOnce() -> Option<RevisionMark>) -> Self {
        match self {
            Pending::NeedsKeys(needs) => Pending::NeedsKeys(NeedsKeys { revision: revision(), ..needs }),
            refused => refused,
        }
    }

    /// The final error after a refresh: a key missing from a set that is newer than the request, or there for another algorithm,
    /// is 401, all else 503.
    pub(super) fn after(self, outcome: &RefreshOutcome) -> VerifyError {
        let need = match self {
            Pending::Refused(error) => return error,
            Pending::NeedsKeys(keys) => keys.need,
        };
        match (need, outcome) {
            (Need::Keys { .. }, RefreshOutcome::Unavailable { retry_after }) => {
                VerifyError::unavailable(*retry_after, "the issuer's keys cannot be fetched now")
            }
            (Need::Keys { .. }, RefreshOutcome::InProgress { retry_after }) => VerifyError::unavailable(
                *retry_after,
                "the keys are not here yet: their fetch takes longer than this request waits, and goes on",
            ),
            (Need::Keys { source, key_id, lack }, RefreshOutcome::Deferred { retry_after }) => {
                let missing = lack.describe(&*source, key_id.as_deref());
                VerifyError::unavailable(*retry_after, format!("{missing}; its source may not be asked again yet"))
            }
            (Need::Keys { lack: lack @ Lack::Key, source, key_id }, RefreshOutcome::Refreshed) => {
                VerifyError::new(Kind::UnknownKey, lack.describe(&*source, key_id.as_deref()))
            }
            (Need::Keys { lack: lack @ Lack::KeyFor(_), source, key_id }, RefreshOutcome::Refreshed) => {
                VerifyError::new(Kind::KeyMismatch, lack.describe(&*source, key_id.as_deref()))
            }
            (Need::Keys { lack: Lack::UsableKeys, .. }, RefreshOutcome::Refreshed) => {
                VerifyError::unavailable(RETRY_AFTER, "no key set of the issuer is usable now")
            }
            (
                Need::Issuer { .. },
                RefreshOutcome::Unavailable { retry_after }
                | RefreshOutcome::InProgress { retry_after }
                | RefreshOutcome::Deferred { retry_after },
            ) => VerifyError::unavailable(
                *retry_after,
                "the source of issuers is unavailable, so it is unknown whether the issuer is trusted",
            ),
            // It was resolved, and evicted before its keys were read.
            (Need::Issuer { .. }, RefreshOutcome::Refreshed) => {
                VerifyError::unavailable(RETRY_AFTER, "the issuer was evicted from the cache of issuers")
            }
        }
    }

    /// As [`after`](Self::after); before a refresh, the need goes to `asks`.
    pub(super) fn settle(self, outcome: Option<&RefreshOutcome>, asks: &mut Option<NeedsKeys>) -> VerifyError {
        match (self, outcome) {
            (pending, Some(outcome)) => pending.after(outcome),
            (Pending::Refused(error), None) => error,
            (Pending::NeedsKeys(needs), None) => {
                let detail = match &needs.need {
                    Need::Keys { .. } => "the key is not cached, and its source was not asked",
                    Need::Issuer { .. } => "the issuer is not cached, and its source was not asked",
                };
                *asks = Some(needs);
                VerifyError::new(Kind::KeysUnavailable, detail)
            }
        }
    }
}

impl Lack {
    /// The key that a token names, and those of the current set.
    fn describe(self, source: &dyn KeySource, key_id: Option<&str>) -> String {
        match (self, key_id) {
            (Lack::KeyFor(algorithm), Some(key_id)) => format!(
                "kid: the key \"{}\" of the issuer's current key set is for another algorithm than {algorithm}",
                safe_text(key_id)
            ),
            _ => missing_key(source, key_id),
        }
    }
}

fn missing_key(source: &dyn KeySource, key_id: Option<&str>) -> String {
    let current = source.cell().current();
    let keys = || current.iter().flat_map(|set| set.keys());
    let mut held: Vec<String> = keys().filter_map(VerifyingKey::key_id).take(MAX_LISTED).map(word).collect();
    let named = keys().filter(|key| key.key_id().is_some()).count();
    match named.saturating_sub(held.len()) {
        0 => {}
        more => held.push(format!("{more} more")),
    }
    match keys().count().saturating_sub(named) {
        0 => {}
        1 => held.push("one key without a key ID".to_owned()),
        nameless => held.push(format!("{nameless} keys without a key ID")),
    }
    let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
    match key_id {
        Some(key_id) => {
            format!("kid: the issuer's current key set has no key \"{}\"; it has {held}", safe_text(key_id))
        }
        None => {
            format!("the token has no kid, and no key of the issuer's current key set fits its alg; the set has {held}")
        }
    }
}

impl From<VerifyError> for Pending {
    fn from(error: VerifyError) -> Self {
        Pending::Refused(error)
    }
}

#[cfg(test)]
mod tests {
    use super::missing_key;
    use crate::key::{StaticKeys, VerifyingKey};

    #[test]
    fn keys_without_a_kid_are_called_so() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"KID}"#;
        let key = |kid: &str| VerifyingKey::from_jwk(&jwk.replace("KID", kid)).expect("a key");
        let of = |kids: &[&str]| missing_key(&StaticKeys::new(kids.iter().map(|kid| key(kid))), Some("shared"));
        let (k1, k2) = (r#","kid":"k1""#, r#","kid":"k2""#);
        for (kids, end) in [
            (&[""][..], "it has one key without a key ID"),
            (&[k1, k2], "it has k1, k2"),
            (&[k1, ""], "it has k1, one key without a key ID"),
            (&["", ""], "it has 2 keys without a key ID"),
            (&[], "it has none"),
        ] {
            assert_eq!(of(kids), format!("kid: the issuer's current key set has no key \"shared\"; {end}"));
        }
    }
}
