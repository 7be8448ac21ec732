//! Clients that sign instead of telling a secret: `private_key_jwt` (RFC 7523, RFC 10070).

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
use crate::endpoint::OAuthError;
use crate::state::State;
use crate::store::{List, Remembered};

/// The farthest that an assertion's `exp` may lie ahead.
const MAX_AHEAD: Duration = Duration::from_secs(300);

/// The longest `jti` read, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Judges the assertions of one client.
pub(crate) struct AssertionCheck(Verifier);

impl AssertionCheck {
    /// `jwks` are the client's registered public keys: no assertion brings its own.
    pub(crate) fn new(client: &str, jwks: &[u8], issuer: &str, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let field = || format!("client {}: public_keys", client.escape_debug());
        let keys = KeySet::from_jwks(jwks).map_err(|reason| ConfigError::new(field(), reason.to_string()))?;
        if let Some(skipped) = keys.skipped().first() {
            return Err(ConfigError::new(field(), format!("a key is not usable: {}", skipped.reason)));
        }
        let trusted = NeedsAudience::new(client, Arc::new(StaticKeys::from_set(keys))).audience(issuer);
        let trusted = trusted.token_type("client-authentication+jwt");
        // No cache: each assertion is good once.
        Verifier::builder().trust(trusted).clock(clock).cache_bytes(0).build().map(AssertionCheck).map_err(|error| {
            let problems = error.faults().iter().map(|fault| fault.problem.as_ref()).collect::<Vec<_>>();
            ConfigError::check(vec![Fault::new(field(), problems.join("; "))]).err().unwrap_or(error)
        })
    }

    /// Whether `assertion` proves that `client` asks, now and for the first time (S8.19).
    pub(crate) async fn proves(
        &self,
        client: &Client,
        assertion: &Secret<String>,
        state: &State,
    ) -> Result<bool, OAuthError> {
        if !has_right_type(assertion.expose()) {
            return Ok(false);
        }
        let Ok(verified) = self.0.verify(assertion.expose()).await else { return Ok(false) };
        let now = self.0.clock().now();
        let ends = verified.expires_at();
        let is_for_us_alone = verified.audiences().count() == 1;
        let is_short = ends <= now.saturating_add(MAX_AHEAD);
        let id = verified.token_id().filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
        match id {
            Some(id) if is_for_us_alone && is_short && verified.subject() == client.id() => {
                // Kept past the leeway in which the assertion would still be taken.
                let name = format!("{} {id}", client.id());
                match state.remember(List::Used, &name, ends.saturating_add(MAX_AHEAD), now).await? {
                    Remembered::New => Ok(true),
                    Remembered::Known => Ok(false),
                    Remembered::Full => Err(OAuthError::busy()),
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

/// An access token is no client assertion. `typ` is absent, `JWT`, or its own.
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
