//! The rules for the issuer's own tokens.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::authz::Authorities;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{NeedsAudience, Profile, TrustedIssuer};
use countersign_core::verify::Verifier;

use crate::policy::{Audience, MAX_TOKEN_LIFETIME};
use crate::rotation::KeyRing;

/// The issuer as a verifier in this process trusts it for tokens for `audience`.
pub(super) fn trusted_for(name: &str, keys: &Arc<KeyRing>, audience: impl Into<String>) -> TrustedIssuer {
    NeedsAudience::new(name, Arc::clone(keys) as Arc<dyn KeySource>)
        .audience(audience)
        .algorithms([keys.algorithm()])
        .profile(Profile::AccessToken)
        .max_lifetime(MAX_TOKEN_LIFETIME)
        .authorities(Authorities::new().tenant_at("/tenant"))
}

/// A verifier of tokens for any audience of the issuer. It has no leeway, since the same clock dated the tokens.
pub(crate) fn own_token_verifier(
    name: &str,
    keys: &Arc<KeyRing>,
    audiences: &[Audience],
    clock: Arc<dyn Clock>,
) -> Result<Verifier, ConfigError> {
    let mut trusted = trusted_for(name, keys, name).leeway(Duration::ZERO);
    for audience in audiences {
        trusted = trusted.add_audience(audience.name());
    }
    Verifier::builder().trust(trusted).clock(clock).build()
}
