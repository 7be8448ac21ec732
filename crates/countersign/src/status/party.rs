//! The tenant, client or subject that names a list.

use std::hash::{BuildHasher, RandomState};

use countersign_core::verify::Verified;

/// Whoever a token that names a list is counted for, as hashes with a seed that nobody outside knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) issuer: u64,
    /// The tenant of the token, else its client, else its subject. All of them count within the issuer.
    pub(super) name: u64,
    /// The tenant, if the issuer's mapping names one.
    pub(super) tenant: Option<u64>,
}

impl Party {
    pub(super) fn of(token: &Verified, hasher: &RandomState) -> Self {
        let issuer = token.issuer();
        let tenant = token.tenant().map(|tenant| hasher.hash_one((issuer, "tenant", tenant.as_str())));
        let other = || match token.client_id() {
            Some(client) => hasher.hash_one((issuer, "client", client)),
            None => hasher.hash_one((issuer, "subject", token.subject())),
        };
        Party { issuer: hasher.hash_one(issuer), name: tenant.unwrap_or_else(other), tenant }
    }
}
