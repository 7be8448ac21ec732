//! The claims that the issuer writes itself.

/// The claim that names a tenant.
pub(crate) const TENANT_CLAIM: &str = "tenant";

/// Claims that an exchange decides itself; none of them can be copied from the subject token.
pub(super) const OWN_CLAIMS: [&str; 16] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "scp",
    "act",
    "may_act",
    "cnf",
    "nonce",
    "azp",
    "sid",
];
