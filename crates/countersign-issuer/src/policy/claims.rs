//! The claims that the issuer writes itself.

use countersign_core::integration::RegisteredClaim;

/// The claim that names a tenant.
pub(crate) const TENANT_CLAIM: &str = "tenant";

/// The claim that marks an exchanged token whose subject is a client, not a user. A client's own token needs no mark: its
/// `sub` is its `client_id`, and it has no actor.
pub(crate) const CLIENT_SUBJECT_CLAIM: &str = "sub_is_client";

/// Claims besides the registered ones that an exchange decides itself.
const OTHER_OWN_CLAIMS: [&str; 4] = ["may_act", "azp", "sid", CLIENT_SUBJECT_CLAIM];

/// Returns whether an exchange decides the claim itself, so that it cannot be copied from the subject token.
pub(super) fn is_own_claim(name: &str) -> bool {
    use RegisteredClaim::{
        AccessTokenHash, AuthenticationContext, AuthenticationMethods, AuthenticationTime, CodeHash,
    };
    let is_copyable = |claim| {
        matches!(claim, AuthenticationContext | AuthenticationMethods | AuthenticationTime | AccessTokenHash | CodeHash)
    };
    OTHER_OWN_CLAIMS.contains(&name) || RegisteredClaim::from_name(name).is_some_and(|claim| !is_copyable(claim))
}
