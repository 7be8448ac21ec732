//! Client authentication by a signed assertion: `private_key_jwt` (RFC 7523, RFC 10070).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::{KeySet, StaticKeys};
use countersign_core::policy::NeedsAudience;
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;

use super::Client;
use super::error::Busy;
use crate::store::{AsyncStore, IdList, Insertion};

/// The longest time from now to the `exp` of an assertion.
const MAX_AHEAD: Duration = Duration::from_secs(300);

/// The longest accepted `jti`, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Verifies the assertions of one client.
pub(crate) struct AssertionCheck(Verifier);

impl AssertionCheck {
    /// `jwks` are the client's registered public keys; keys in an assertion are ignored.
    pub(crate) fn new(client: &str, jwks: &[u8], issuer: &str, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let field = || format!("client {}: public_keys", client.escape_debug());
        let keys = KeySet::from_jwks(jwks).map_err(|reason| ConfigError::new(field(), reason.to_string()))?;
        if let Some(skipped) = keys.skipped().first() {
            return Err(ConfigError::new(field(), format!("a key is not usable: {}", skipped.reason)));
        }
        let trusted = NeedsAudience::new(client, Arc::new(StaticKeys::from_set(keys))).audience(issuer);
        let trusted = trusted.token_type("client-authentication+jwt");
        // No cache: an assertion is accepted only once.
        Verifier::builder().trust(trusted).clock(clock).cache_bytes(0).build().map(AssertionCheck).map_err(|error| {
            let problems = error.faults().iter().map(|fault| fault.problem.as_ref()).collect::<Vec<_>>();
            ConfigError::check(vec![Fault::new(field(), problems.join("; "))]).err().unwrap_or(error)
        })
    }

    /// Returns whether `assertion` is valid for `client` and has not been used before.
    pub(crate) async fn proves(
        &self,
        client: &Client,
        assertion: &Secret<String>,
        store: &AsyncStore,
    ) -> Result<bool, Busy> {
        if !has_right_type(assertion.expose()) {
            return Ok(false);
        }
        let Ok(verified) = self.0.verify(assertion.expose()).await else { return Ok(false) };
        let now = self.0.clock().now();
        let expires_at = verified.expires_at();
        let has_one_audience = verified.audiences().count() == 1 && verified.actor().is_none();
        let is_short = expires_at <= now.saturating_add(MAX_AHEAD);
        let id = verified.token_id().filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
        match id {
            Some(id) if has_one_audience && is_short && verified.subject() == client.id() => {
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
    let encoded = assertion.split('.').next().unwrap_or_default();
    let Ok(json) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(encoded) else { return false };
    let Ok(serde_json::Value::Object(header)) = serde_json::from_slice(&json) else { return false };
    match header.get("typ") {
        None => true,
        Some(serde_json::Value::String(name)) => {
            let name = name.to_ascii_lowercase();
            matches!(name.trim_start_matches("application/"), "jwt" | "client-authentication+jwt")
        }
        Some(_) => false,
    }
}
