//! Client authentication by a signed assertion: `private_key_jwt` (RFC 7523, RFC 10070).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::{KeySource, StaticKeys};
use countersign_core::policy::NeedsAudience;
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;

use super::Client;
use super::error::Busy;
use super::public_keys::{PublicKeys, field, registered_keys};
use crate::oauth::jwt_type;
use crate::store::{AsyncStore, IdList, Insertion};

/// The longest time from now to the `exp` of an assertion.
const MAX_AHEAD: Duration = Duration::from_secs(300);

/// The longest accepted `jti`, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Verifies the assertions of one client.
pub(crate) struct AssertionCheck(Verifier);

impl AssertionCheck {
    /// Keys in an assertion are ignored. With `danger_denied`, a weakened source of keys is a fault on field `danger`, and test keys
    /// prove nothing.
    pub(crate) fn new(
        client: &str,
        keys: &PublicKeys,
        issuer: &str,
        clock: Arc<dyn Clock>,
        danger_denied: bool,
    ) -> Result<Self, ConfigError> {
        let keys = match keys {
            PublicKeys::Set(jwks) => {
                Arc::new(StaticKeys::from_set(registered_keys(client, jwks)?)) as Arc<dyn KeySource>
            }
            PublicKeys::Source(keys) => Arc::clone(keys),
        };
        let trusted = NeedsAudience::new(client, keys).audience(issuer);
        let trusted = trusted.token_type("client-authentication+jwt");
        // No cache: an assertion is accepted only once.
        let builder = Verifier::builder().trust(trusted).clock(clock).cache_bytes(0);
        let builder = if danger_denied { builder.deny_danger() } else { builder };
        builder.build().map(AssertionCheck).map_err(|error| {
            if error.faults().iter().any(|fault| fault.field == "danger") {
                return error;
            }
            let problems = error.faults().iter().map(|fault| fault.problem.as_ref()).collect::<Vec<_>>();
            ConfigError::check(vec![Fault::new(field(client), problems.join("; "))]).err().unwrap_or(error)
        })
    }

    /// Returns whether `assertion` is valid for `client` and has not been used before. `Busy` if the client's keys are not
    /// available now, or its key may be a new one.
    pub(crate) async fn proves(
        &self,
        client: &Client,
        assertion: &Secret<String>,
        store: &AsyncStore,
    ) -> Result<bool, Busy> {
        if !has_right_type(assertion.expose()) {
            return Ok(false);
        }
        let verified = match self.0.verify(assertion.expose()).await {
            Ok(verified) => verified,
            Err(error) if error.is_unavailable() => return Err(Busy),
            Err(_) => return Ok(false),
        };
        let now = self.0.clock().now();
        let expires_at = verified.expires_at();
        let has_one_audience = verified.audiences().count() == 1;
        // Its author speaks for itself, and hides nobody who acts for it.
        let is_own = verified.subject() == client.id() && verified.actor().is_none() && !verified.is_actor_unknown();
        let is_short = expires_at <= now.saturating_add(MAX_AHEAD);
        let id = verified.token_id().filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
        match id {
            Some(id) if has_one_audience && is_own && is_short => {
                // Stored for longer than the leeway within which the assertion is still valid.
                let id = format!("{} {} {id}", client.id().len(), client.id());
                let until = expires_at.saturating_add(MAX_AHEAD);
                match store.insert_id(IdList::UsedAssertions, client.id(), &id, until).await? {
                    Insertion::New => Ok(true),
                    Insertion::Present => Ok(false),
                    Insertion::Full | Insertion::Unknown => Err(Busy),
                }
            }
            _ => Ok(false),
        }
    }
}

impl fmt::Debug for AssertionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionCheck").finish_non_exhaustive()
    }
}

/// Refuses other kinds of tokens: `typ` must be absent, `JWT` or `client-authentication+jwt`.
fn has_right_type(assertion: &str) -> bool {
    match jwt_type(assertion) {
        Some(None) => true,
        Some(Some(name)) => matches!(name.as_str(), "jwt" | "client-authentication+jwt"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::key::Algorithm;
    use countersign_core::mint::{Draft, Signer};
    use countersign_test::ManualClock;
    use serde_json::json;

    use super::*;
    use crate::store::MemoryStore;

    const ISSUER: &str = "https://sts.test";

    struct Setup {
        clock: ManualClock,
        signer: Signer,
        check: AssertionCheck,
        store: AsyncStore,
    }

    fn setup(store: MemoryStore) -> Setup {
        let clock = ManualClock::new(countersign_core::clock::UnixTime::from_secs(1_700_000_000));
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let keys = PublicKeys::Set(json!({ "keys": [signer.public_jwk()] }).to_string().into_bytes());
        let check = AssertionCheck::new("orders", &keys, ISSUER, Arc::new(clock.clone()), false).expect("a key");
        let store = AsyncStore::new(Arc::new(store), Arc::new(clock.clone()));
        Setup { clock, signer, check, store }
    }

    impl Setup {
        fn draft(&self, id: &str, seconds: u64) -> Draft {
            let expires_at = self.clock.now().saturating_add(Duration::from_secs(seconds));
            let draft = Draft::with_type("JWT").issuer("orders").subject("orders").audience(ISSUER);
            draft.expires_at(expires_at).token_id(id)
        }

        /// `None` if the check cannot be made now.
        async fn proves(&self, draft: &Draft) -> Option<bool> {
            let assertion = Secret::new(draft.sign(&self.signer).expect("signed"));
            self.check.proves(&Client::new("orders"), &assertion, &self.store).await.ok()
        }
    }

    #[tokio::test]
    async fn s8_19_an_assertion_of_somebody_who_acts_for_the_client_proves_nothing() {
        let setup = setup(MemoryStore::new());
        let elsewhere = json!({ "act": "src1" });
        for (name, value) in [("act", json!({ "sub": "reports" })), ("_claim_names", elsewhere)] {
            let draft = setup.draft("a", 60).claim(name, value);
            assert_eq!(setup.proves(&draft).await, Some(false), "{name}");
        }
        assert_eq!(setup.proves(&setup.draft("a", 60)).await, Some(true));
    }

    #[test]
    fn s8_19_an_assertion_is_no_other_kind_of_token() {
        let has_right_type = |header: serde_json::Value| {
            let encoded = base64_simd::URL_SAFE_NO_PAD.encode_to_string(header.to_string());
            super::has_right_type(&format!("{encoded}.e30.AAAA"))
        };
        for typ in
            ["JWT", "jwt", "application/jwt", "client-authentication+jwt", "application/CLIENT-authentication+jwt"]
        {
            assert!(has_right_type(json!({ "typ": typ })), "{typ}");
        }
        assert!(has_right_type(json!({})), "absent");
        for typ in [json!("at+jwt"), json!("application/at+jwt"), json!("dpop+jwt"), json!(""), json!(5), json!(null)] {
            assert!(!has_right_type(json!({ "typ": typ })), "{typ}");
        }
        assert!(!has_right_type(json!([])));
    }

    #[tokio::test]
    async fn s8_19_an_id_has_1_to_256_bytes() {
        let setup = setup(MemoryStore::new());
        for (bytes, is_fine) in [(0, false), (1, true), (256, true), (257, false)] {
            let draft = setup.draft(&"a".repeat(bytes), 60);
            assert_eq!(setup.proves(&draft).await, Some(is_fine), "{bytes}");
        }
    }

    #[tokio::test]
    async fn s8_19_an_assertion_ends_within_300_seconds() {
        let setup = setup(MemoryStore::new());
        for (seconds, is_fine) in [(300, true), (301, false)] {
            let draft = setup.draft(&seconds.to_string(), seconds);
            assert_eq!(setup.proves(&draft).await, Some(is_fine), "{seconds}");
        }
    }

    #[tokio::test]
    async fn s8_19_an_id_is_known_for_as_long_as_its_assertion_is_valid() {
        let setup = setup(MemoryStore::new().max_ids(2));
        let first = setup.draft("first", 1);
        assert_eq!(setup.proves(&first).await, Some(true));
        setup.clock.advance(Duration::from_secs(30)); // past its end, within the leeway
        assert_eq!(setup.proves(&setup.draft("second", 60)).await, None, "the list is full of ids that still count");
        assert_eq!(setup.proves(&first).await, Some(false), "a replay");
    }
}
