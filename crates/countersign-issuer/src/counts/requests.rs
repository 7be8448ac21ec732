//! Requests by endpoint and outcome. Every label has a closed set of values.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::oauth::OAuthError;
use crate::policy::Grant;

/// The counts of one issuer since it was built.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By grant, then by outcome.
    token_requests: [[AtomicU64; Outcome::ALL.len()]; TokenGrant::ALL.len()],
    introspections: [AtomicU64; Outcome::ALL.len()],
    revocations: [AtomicU64; Outcome::ALL.len()],
    /// Of the keys: succeeded, failed.
    maintenance: [AtomicU64; 2],
}

/// The grant that a token request names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TokenGrant {
    ClientCredentials,
    TokenExchange,
    JwtBearer,
    /// None, or one that is not supported.
    #[default]
    Other,
}

/// The outcome of a request, with its error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// The token is not active, or was not valid and needed no revocation.
    Inactive,
    Throttled,
    Unavailable,
    Failed,
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidProof,
    NonceRequired,
}

impl TokenGrant {
    pub(crate) const ALL: [TokenGrant; 4] =
        [TokenGrant::ClientCredentials, TokenGrant::TokenExchange, TokenGrant::JwtBearer, TokenGrant::Other];

    pub(crate) fn from_name(name: Option<&str>) -> Self {
        match name.and_then(Grant::from_name) {
            Some(Grant::ClientCredentials) => TokenGrant::ClientCredentials,
            Some(Grant::TokenExchange) => TokenGrant::TokenExchange,
            Some(Grant::JwtBearer) => TokenGrant::JwtBearer,
            None => TokenGrant::Other,
        }
    }

    #[cfg_attr(not(any(feature = "metrics", feature = "otel")), allow(dead_code, reason = "a label"))]
    pub(crate) const fn label(self) -> &'static str {
        match self {
            TokenGrant::ClientCredentials => "client_credentials",
            TokenGrant::TokenExchange => "token_exchange",
            TokenGrant::JwtBearer => "jwt_bearer",
            TokenGrant::Other => "other",
        }
    }
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 14] = [
        Outcome::Ok,
        Outcome::Inactive,
        Outcome::Throttled,
        Outcome::Unavailable,
        Outcome::Failed,
        Outcome::InvalidRequest,
        Outcome::InvalidClient,
        Outcome::InvalidGrant,
        Outcome::InvalidScope,
        Outcome::InvalidTarget,
        Outcome::UnauthorizedClient,
        Outcome::UnsupportedGrantType,
        Outcome::InvalidProof,
        Outcome::NonceRequired,
    ];

    pub(crate) fn of_error(error: &OAuthError) -> Self {
        match (error.status.as_u16(), error.code) {
            (429, _) => Outcome::Throttled,
            (503, _) => Outcome::Unavailable,
            (500.., _) => Outcome::Failed,
            (_, "invalid_client") => Outcome::InvalidClient,
            (_, "invalid_grant") => Outcome::InvalidGrant,
            (_, "invalid_scope") => Outcome::InvalidScope,
            (_, "invalid_target") => Outcome::InvalidTarget,
            (_, "unauthorized_client") => Outcome::UnauthorizedClient,
            (_, "unsupported_grant_type") => Outcome::UnsupportedGrantType,
            (_, "invalid_dpop_proof") => Outcome::InvalidProof,
            (_, "use_dpop_nonce") => Outcome::NonceRequired,
            _ => Outcome::InvalidRequest,
        }
    }

    /// The labels `outcome` and `code`.
    #[cfg_attr(not(any(feature = "metrics", feature = "otel")), allow(dead_code, reason = "labels"))]
    pub(crate) const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Outcome::Ok => ("ok", "ok"),
            Outcome::Inactive => ("ok", "inactive"),
            Outcome::Throttled => ("throttled", "temporarily_unavailable"),
            Outcome::Unavailable => ("unavailable", "temporarily_unavailable"),
            Outcome::Failed => ("failed", "server_error"),
            Outcome::InvalidRequest => ("refused", "invalid_request"),
            Outcome::InvalidClient => ("refused", "invalid_client"),
            Outcome::InvalidGrant => ("refused", "invalid_grant"),
            Outcome::InvalidScope => ("refused", "invalid_scope"),
            Outcome::InvalidTarget => ("refused", "invalid_target"),
            Outcome::UnauthorizedClient => ("refused", "unauthorized_client"),
            Outcome::UnsupportedGrantType => ("refused", "unsupported_grant_type"),
            Outcome::InvalidProof => ("refused", "invalid_dpop_proof"),
            Outcome::NonceRequired => ("refused", "use_dpop_nonce"),
        }
    }
}

impl Counts {
    pub(crate) fn token_request(&self, grant: TokenGrant, outcome: Outcome) {
        if let Some(of_grant) = self.token_requests.get(grant as usize) {
            increment(of_grant, outcome as usize);
        }
    }

    pub(crate) fn introspection(&self, outcome: Outcome) {
        increment(&self.introspections, outcome as usize);
    }

    pub(crate) fn revocation(&self, outcome: Outcome) {
        increment(&self.revocations, outcome as usize);
    }

    pub(crate) fn maintenance(&self, has_failed: bool) {
        increment(&self.maintenance, usize::from(has_failed));
    }
}

#[cfg(any(feature = "metrics", feature = "otel"))]
impl Counts {
    pub(crate) fn token_requests(&self) -> impl Iterator<Item = (TokenGrant, Outcome, u64)> {
        let of_grants = TokenGrant::ALL.into_iter().zip(&self.token_requests);
        of_grants.flat_map(|(grant, counts)| read(counts).map(move |(outcome, count)| (grant, outcome, count)))
    }

    pub(crate) fn introspections(&self) -> impl Iterator<Item = (Outcome, u64)> {
        read(&self.introspections)
    }

    pub(crate) fn revocations(&self) -> impl Iterator<Item = (Outcome, u64)> {
        read(&self.revocations)
    }

    /// Succeeded and failed.
    pub(crate) fn maintenances(&self) -> [u64; 2] {
        self.maintenance.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

fn increment(counts: &[AtomicU64], index: usize) {
    if let Some(count) = counts.get(index) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(any(feature = "metrics", feature = "otel"))]
fn read(counts: &[AtomicU64; Outcome::ALL.len()]) -> impl Iterator<Item = (Outcome, u64)> {
    Outcome::ALL.into_iter().zip(counts).map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_05_each_outcome_has_its_own_count_and_labels() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        let labels: std::collections::BTreeSet<_> = Outcome::ALL.map(Outcome::labels).into();
        assert_eq!(labels.len(), Outcome::ALL.len());
        assert!(TokenGrant::ALL.into_iter().enumerate().all(|(index, grant)| grant as usize == index));
        assert_eq!(Outcome::of_error(&OAuthError::throttled(1)), Outcome::Throttled);
        assert_eq!(Outcome::of_error(&OAuthError::unavailable()), Outcome::Unavailable);
        assert_eq!(Outcome::of_error(&OAuthError::invalid_client()).labels(), ("refused", "invalid_client"));
        assert_eq!(Outcome::of_error(&OAuthError::invalid_dpop_proof("")).labels(), ("refused", "invalid_dpop_proof"));
        assert_eq!(Outcome::of_error(&OAuthError::use_dpop_nonce()).labels(), ("refused", "use_dpop_nonce"));
        assert_eq!(TokenGrant::from_name(Some("password")).label(), "other");
    }
}
