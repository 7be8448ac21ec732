//! Trusted issuers in one line.

use std::sync::Arc;

use countersign_core::policy::NeedsAudience;

use crate::keys::RemoteKeys;

/// Trusts an OpenID provider or OAuth server by its issuer name; discovery finds its keys at first use.
///
/// ```
/// use countersign::prelude::*;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
pub fn oidc(issuer: impl Into<String>) -> NeedsAudience {
    let issuer = issuer.into();
    let keys = RemoteKeys::from_issuer(issuer.clone());
    NeedsAudience::new(issuer, Arc::new(keys))
}

/// Trusts an issuer whose keys have a known address, without discovery.
///
/// ```
/// use countersign::prelude::*;
///
/// let issuer = jwks("https://id.example.com", "https://id.example.com/keys.json").audience("orders");
/// let verifier = Verifier::new(issuer)?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
pub fn jwks(issuer: impl Into<String>, url: impl Into<String>) -> NeedsAudience {
    NeedsAudience::new(issuer, Arc::new(RemoteKeys::from_url(url)))
}
