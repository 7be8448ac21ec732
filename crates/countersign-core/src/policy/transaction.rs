//! The trusted transaction token service of a trust domain (draft-ietf-oauth-transaction-tokens-10).

use std::sync::Arc;
use std::time::Duration;

use super::issuer::{NeedsAudience, TransactionRules, TrustedIssuer};
use super::{LEEWAY, Profile};
use crate::authz::Authorities;
use crate::error::Fault;
use crate::key::{Algorithm, KeySource};

/// The `typ` of transaction tokens.
const TRANSACTION_TOKEN_TYPE: &str = "txntoken+jwt";

/// The longest `exp - iat` of a transaction token, by default: such a token lives minutes or less.
pub const TRANSACTION_MAX_LIFETIME: Duration = Duration::from_secs(300);

/// The longest lifetime that can be configured.
const MAX_CONFIGURABLE_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The service whose transaction tokens are trusted, with the trust domain that they must name.
///
/// A transaction token has the `typ` `txntoken+jwt` and exactly one `aud`, which is the trust domain, and no verifier of access
/// tokens accepts it. It requires `iat`, `exp`, `txn`, `sub`, `scope` and `req_wl`. `iss` is exactly the
/// [issuer](Self::issuer) that the policy names, and absent if it names none: then its keys identify the service.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use countersign_core::key::{Algorithm, StaticKeys};
/// use countersign_core::policy::TransactionService;
///
/// let service = TransactionService::new("shop.example", Arc::new(StaticKeys::new([])))
///     .issuer("https://sts.shop.example")
///     .algorithms([Algorithm::ES256])
///     .max_lifetime(Duration::from_secs(120));
/// # let _ = service;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TransactionService {
    trust_domain: String,
    issuer: Option<String>,
    keys: Arc<dyn KeySource>,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    max_lifetime: Duration,
}

impl TransactionService {
    /// Trusts transaction tokens whose `aud` is exactly `trust_domain`, signed by a key of `keys`.
    pub fn new(trust_domain: impl Into<String>, keys: Arc<dyn KeySource>) -> Self {
        TransactionService {
            trust_domain: trust_domain.into(),
            issuer: None,
            keys,
            algorithms: Algorithm::DEFAULT.to_vec(),
            leeway: LEEWAY,
            max_lifetime: TRANSACTION_MAX_LIFETIME,
        }
    }

    /// Requires tokens to have exactly this `iss`. Default: they have none.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        TransactionService { issuer: Some(issuer.into()), ..self }
    }

    /// Allows exactly these algorithms, all symmetric or all asymmetric. Default: [`Algorithm::DEFAULT`].
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        TransactionService { algorithms: algorithms.into_iter().collect(), ..self }
    }

    /// The tolerated difference between clocks. Default: 30 s; at most 300 s.
    pub fn leeway(self, leeway: Duration) -> Self {
        TransactionService { leeway, ..self }
    }

    /// The longest accepted `exp - iat`. Default: 300 s; at most 3,600 s.
    pub fn max_lifetime(self, max_lifetime: Duration) -> Self {
        TransactionService { max_lifetime, ..self }
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The faults that the rules for every issuer do not report, or not in these words.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field: &'static str, problem: &'static str| faults.push(Fault::new(field, problem));
        if self.trust_domain.is_empty() || self.trust_domain.chars().any(|c| c.is_control() || c.is_whitespace()) {
            fault("trust_domain", "empty, or with spaces; name the trust domain as in the tokens' aud");
        }
        if self.max_lifetime > MAX_CONFIGURABLE_LIFETIME {
            fault("max_lifetime", "above 3600 s; transaction tokens live minutes or less, so lower it");
        }
        faults
    }

    /// The same as an issuer, for the rules and the keys that all tokens have in common.
    ///
    /// Without a named issuer it has the name of the trust domain, which is where its subjects are unique.
    pub(crate) fn to_trusted_issuer(&self) -> TrustedIssuer {
        let name = self.issuer.as_ref().unwrap_or(&self.trust_domain);
        let mut issuer = NeedsAudience::new(name, Arc::clone(&self.keys))
            .audience(&self.trust_domain)
            .algorithms(self.algorithms.iter().copied())
            .profile(Profile::Named)
            .token_type(TRANSACTION_TOKEN_TYPE)
            .leeway(self.leeway)
            .max_lifetime(self.max_lifetime)
            .authorities(Authorities::new().client_at("/req_wl"));
        issuer.trust_domain = None; // a SPIFFE trust domain names workloads, and a transaction also has other subjects
        issuer.transactions = Some(TransactionRules { has_issuer: self.issuer.is_some() });
        issuer
    }
}
