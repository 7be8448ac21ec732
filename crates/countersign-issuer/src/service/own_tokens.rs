//! The rules for the issuer's own tokens.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::authz::Authorities;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::{Algorithm, KeySource};
use countersign_core::policy::{NeedsAudience, Profile, TrustedIssuer};
use countersign_core::verify::{Verifier, VerifierBuilder};

use crate::policy::{Audience, MAX_TOKEN_LIFETIME};

/// The issuer as a verifier in this process trusts it for tokens for `audience`.
pub(super) fn trusted_for(
    name: &str,
    keys: Arc<dyn KeySource>,
    algorithm: Algorithm,
    audience: impl Into<String>,
) -> TrustedIssuer {
    NeedsAudience::new(name, keys)
        .audience(audience)
        .algorithms([algorithm])
        .profile(Profile::AccessToken)
        .max_lifetime(MAX_TOKEN_LIFETIME)
        .authorities(Authorities::new().tenant_at("/tenant").tenants_of(name))
}

/// A verifier of tokens for any audience of the issuer. It has no leeway, since the same clock dated the tokens.
pub(crate) fn own_token_verifier<'a>(
    name: &str,
    keys: Arc<dyn KeySource>,
    algorithm: Algorithm,
    audiences: impl IntoIterator<Item = &'a Audience>,
    clock: Arc<dyn Clock>,
) -> VerifierBuilder {
    let mut trusted = trusted_for(name, keys, algorithm, name).leeway(Duration::ZERO);
    for audience in audiences {
        trusted = trusted.add_audience(audience.name());
    }
    Verifier::builder().trust(trusted).clock(clock)
}

/// The time at which `token` claims to be issued.
pub(super) fn issued_at(token: &str) -> Option<UnixTime> {
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(UnixTime::from_secs(claims.get("iat")?.as_u64()?))
}
