//! The builder of verifiers. It reports all configuration faults at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::CACHE_BYTES;
use super::compared::some_of;
use super::namespaces::IssuerNames;
use super::revision::{Current, Revision};
use super::verifier::Verifier;
use crate::cache::TokenCache;
use crate::claims::DecodedBudget;
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, Fault};
use crate::key::{KeySource, SourceContext, StaticKeys};
use crate::policy::{IssuerSource, Policy, TrustedIssuer, TrustedIssuerConfig};
use crate::redact::safe_text;
use crate::token::MAX_TOKEN_BYTES;

/// The largest `max_token_bytes` that can be configured.
const MAX_CONFIGURABLE_TOKEN_BYTES: usize = 64 * 1024;
// Byte ranges in the claims have 32 bits.
const _: () = assert!(MAX_CONFIGURABLE_TOKEN_BYTES < u32::MAX as usize / 2);

/// Collects issuers and settings; [`build`](Self::build) checks them.
#[derive(Debug)]
#[must_use]
pub struct VerifierBuilder {
    issuers: Vec<TrustedIssuer>,
    resolved: Option<Arc<dyn IssuerSource>>,
    pub(super) clock: Arc<dyn Clock>,
    max_token_bytes: usize,
    cache_bytes: usize,
    pub(super) danger_denied: bool,
    reserved_subjects: Vec<(String, String)>,
    /// The names of a policy's weakened outbound bindings.
    weak_bindings: Vec<String>,
    faults: Vec<Fault>,
}

impl Verifier {
    /// A verifier for one issuer, all else at its default.
    ///
    /// # Errors
    /// As [`VerifierBuilder::build`].
    pub fn new(issuer: TrustedIssuer) -> Result<Self, ConfigError> {
        Self::builder().trust(issuer).build()
    }

    /// For several issuers, or other settings than the defaults.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::new()
    }
}

impl VerifierBuilder {
    fn new() -> Self {
        VerifierBuilder {
            issuers: Vec::new(),
            resolved: None,
            clock: Arc::new(SystemClock),
            max_token_bytes: MAX_TOKEN_BYTES,
            cache_bytes: CACHE_BYTES,
            danger_denied: false,
            reserved_subjects: Vec::new(),
            weak_bindings: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Trusts one more issuer.
    pub fn trust(mut self, issuer: TrustedIssuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Also trusts the issuers that `source` finds by a token's exact `iss`, such as tenants in a database.
    ///
    /// The crate `countersign` has such a source, bounded and rate-limited: `issuers::ResolvedIssuers`.
    pub fn trust_resolved(mut self, source: Arc<dyn IssuerSource>) -> Self {
        if self.resolved.is_some() {
            self.faults.push(Fault::new("issuer", "issuers are resolved by two sources; combine them into one"));
        }
        self.resolved = Some(source);
        self
    }

    /// Trusts the issuers of `policy` and applies its settings; `keys` creates the key source of each issuer.
    ///
    /// ```
    /// use countersign_core::policy::{TrustedIssuerConfig, Policy};
    /// use countersign_core::{error::ConfigError, verify::Verifier};
    ///
    /// let policy = Policy::from_json(
    ///     r#"{"issuers":[{"issuer":"https://id.example.com","audience":"orders","keys":{"inline":
    ///       "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"}}]}"#,
    /// )?;
    /// let here_only = |issuer: &TrustedIssuerConfig| {
    ///     issuer.keys.inline().unwrap_or_else(|| Err(ConfigError::new("keys", "write them into the policy")))
    /// };
    /// assert!(Verifier::builder().policy(&policy, here_only).build().is_ok());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn policy(
        mut self,
        policy: &Policy,
        mut keys: impl FnMut(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Self {
        for issuer in &policy.issuers {
            let connection = issuer.connection.as_ref().or(policy.connection.as_ref()).cloned();
            let issuer = TrustedIssuerConfig { connection, ..issuer.clone() };
            // The build fails; with an empty source, it also reports the issuer's other faults.
            let source = keys(&issuer).unwrap_or_else(|error| {
                self.faults.extend_from_slice(error.faults());
                Arc::new(StaticKeys::new([]))
            });
            self.issuers.push(issuer.to_trusted_issuer(source));
        }
        self.max_token_bytes = policy.max_token_bytes.unwrap_or(self.max_token_bytes);
        self.cache_bytes = policy.cache_bytes.unwrap_or(self.cache_bytes);
        self.danger_denied |= policy.deny_danger;
        let reserved = policy.reserved_subjects.iter().map(|(prefix, issuer)| (prefix.clone(), issuer.clone()));
        self.reserved_subjects.extend(reserved);
        let bindings = (1..).zip(&policy.outbound).filter(|(_, binding)| binding.danger_plain_http);
        self.weak_bindings.extend(bindings.map(|(number, _)| format!("binding {number}")));
        let asking = policy.introspection.as_ref().filter(|asking| asking.danger_plain_http);
        self.weak_bindings.extend(asking.map(|_| "introspection".to_owned()));
        self
    }

    fn reservation_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (prefix, owner) in &self.reserved_subjects {
            // The owner may be an issuer that is resolved.
            if self.resolved.is_none() && !self.issuers.iter().any(|issuer| issuer.issuer() == owner) {
                let problem = format!("{} is not trusted, so no token could have these subjects", safe_text(owner));
                faults.push(Fault::new("reserved_subjects", problem));
            }
            if prefix.is_empty() {
                faults.push(Fault::new("reserved_subjects", "an empty prefix reserves every subject"));
            }
        }
        faults
    }

    /// Reserves subjects that start with `prefix` for `issuer`; such tokens of other issuers are refused.
    ///
    /// An external issuer, configured or resolved, can then never claim to be an internal service: the prefix is refused in
    /// every claim that names the caller, at every depth. These are `sub`, `sub_id`, `act` and `may_act`; `client_id`, `azp`,
    /// `cid`, `appid` and `clientId`; `preferred_username`, `username`, `user_name`, `cognito:username`, `unique_name`, `upn`,
    /// `oid`, `uid` and `user_id`; and the claim that the issuer's mapping reads the client from.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
    ///
    /// let trusted = |name: &str| NeedsAudience::new(name, Arc::new(StaticKeys::new([]))).audience("orders");
    /// let verifier = Verifier::builder()
    ///     .trust(trusted("https://id.example.com"))
    ///     .trust(trusted("https://partner.example.net"))
    ///     .reserve_subjects("svc:", "https://id.example.com")
    ///     .build();
    /// assert!(verifier.is_ok());
    /// ```
    pub fn reserve_subjects(mut self, prefix: impl Into<String>, issuer: impl Into<String>) -> Self {
        self.reserved_subjects.push((prefix.into(), issuer.into()));
        self
    }

    /// Uses this clock instead of the system clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = clock.into_shared();
        self
    }

    /// The longest token read, in bytes. Default 16 KiB, at most 64 KiB.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// The capacity of the cache of verified tokens in bytes; 0 turns it off. Default 16 MiB.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Refuses to build if an issuer uses an item of [`policy::danger`](crate::policy::danger) or a policy has a weakened
    /// outbound binding, and refuses tokens signed with test keys (`test-only-…`). For releases. Layers around the verifier
    /// observe it too.
    pub fn deny_danger(mut self) -> Self {
        self.danger_denied = true;
        self
    }

    /// The faults of all issuers; each names its issuer.
    fn issuer_faults(&self, context: &SourceContext) -> Vec<Fault> {
        let of = |issuer: &TrustedIssuer| {
            let name = safe_text(issuer.issuer());
            let named = move |fault: Fault| match name.is_empty() || fault.problem.contains(&name) {
                true => fault,
                false => Fault::new(fault.field, format!("{} (issuer \"{name}\")", fault.problem)),
            };
            issuer.faults(context).into_iter().map(named).collect::<Vec<_>>()
        };
        self.issuers.iter().flat_map(of).collect()
    }

    /// Checks everything and builds.
    ///
    /// # Errors
    /// `ConfigError` with every fault found: no issuer, a duplicate issuer, an empty audience, mixed algorithms, and so on.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let clock = Arc::clone(&self.clock);
        Ok(Verifier::from_parts(Current::Fixed(self.revision()?), clock))
    }

    /// Checks everything, and the policy that results.
    pub(super) fn revision(mut self) -> Result<Revision, ConfigError> {
        let mut faults = std::mem::take(&mut self.faults);
        faults.extend(self.reservation_faults());
        let context = SourceContext::new(Arc::clone(&self.clock));
        faults.extend(self.issuer_faults(&context));
        faults.extend(self.resolved.iter().flat_map(|source| source.attach(&context)));
        let is_single = self.issuers.len() == 1 && self.resolved.is_none();
        let (names, name_faults) = IssuerNames::new(&self.issuers, self.resolved.is_some());
        faults.extend(name_faults);
        if self.issuers.is_empty() && self.resolved.is_none() {
            faults.push(Fault::new("issuer", "no issuer is trusted; name at least one"));
        }
        let mut known = BTreeSet::new();
        for issuer in &self.issuers {
            if !known.insert(issuer.issuer()) {
                faults.push(Fault::new(
                    "issuer",
                    format!("{} is trusted twice; trust it once with all audiences", issuer.issuer()),
                ));
            }
            if self.danger_denied && issuer.weakenings().next().is_some() {
                faults.push(Fault::new(
                    "danger",
                    format!("{} uses a weakening, and deny_danger forbids it", issuer.issuer()),
                ));
            }
        }
        if self.danger_denied {
            let problem = |binding: &String| {
                Fault::new("danger", format!("{binding} uses danger_plain_http, and deny_danger forbids it"))
            };
            faults.extend(self.weak_bindings.iter().map(problem));
        }
        let weakenings = self.resolved.as_ref().map(|source| source.weakenings()).unwrap_or_default();
        if self.danger_denied && !weakenings.is_empty() {
            faults.push(Fault::new("danger", "resolving issuers uses a weakening, and deny_danger forbids it"));
        }
        if !(1..=MAX_CONFIGURABLE_TOKEN_BYTES).contains(&self.max_token_bytes) {
            faults.push(Fault::new("max_token_bytes", "not between 1 and 65536"));
        }
        ConfigError::check(faults)?;
        for issuer in &self.issuers {
            for weakening in issuer.weakenings() {
                tracing::warn!(issuer = issuer.issuer(), weakening, "a verifier is weakened by policy::danger");
            }
        }
        for weakening in weakenings {
            tracing::warn!(weakening, "a verifier is weakened by policy::danger");
        }
        let naming = self.issuers.iter().flat_map(TrustedIssuer::naming_claims).map(Box::from);
        let identity_claims = Arc::new(naming.collect::<BTreeSet<Box<str>>>().into_iter().collect::<Vec<_>>());
        for issuer in &mut self.issuers {
            issuer.is_only_issuer = is_single;
            issuer.identity_claims = Arc::clone(&identity_claims);
        }
        let claim_names: BTreeSet<Box<str>> =
            self.issuers.iter().flat_map(TrustedIssuer::claim_names).map(Box::from).collect();
        let issuers: HashMap<Box<str>, Arc<TrustedIssuer>, RandomState> =
            self.issuers.iter().map(|issuer| (issuer.issuer().into(), Arc::new(issuer.clone()))).collect();
        let configured = self.issuers.iter().map(|issuer| safe_text(issuer.issuer()));
        let others = self.resolved.iter().map(|_| "those found at run time".to_owned());
        let trusted_names = some_of(configured.chain(others)).into_boxed_str();
        let transactions = issuers.values().find(|issuer| issuer.transactions.is_some()).map(Arc::clone);
        Ok(Revision {
            number: 0,
            since: self.clock.now(),
            transactions,
            trusted_names,
            claim_names: claim_names.into_iter().collect(),
            issuers,
            resolved: self.resolved,
            names,
            identity_claims,
            reserved_subjects: self.reserved_subjects,
            danger_denied: self.danger_denied,
            max_token_bytes: self.max_token_bytes,
            cache: if self.cache_bytes == 0 { None } else { TokenCache::new(self.cache_bytes) },
            decoded: (self.cache_bytes != 0).then(|| Arc::new(DecodedBudget::new(self.cache_bytes))),
            headers: Default::default(),
            fingerprint: Default::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, SourceClock, UnixTime};
    use crate::key::{KeyCell, RefreshFuture, RefreshOutcome, RefreshReason};
    use crate::policy::NeedsAudience;

    #[derive(Debug, Default)]
    struct Timed(KeyCell, SourceClock);

    impl KeySource for Timed {
        fn cell(&self) -> &KeyCell {
            &self.0
        }

        fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
            Box::pin(std::future::ready(RefreshOutcome::Refreshed))
        }

        fn attach(&self, context: &SourceContext) -> Vec<Fault> {
            self.1.attach(context.clock()).into_iter().collect()
        }
    }

    #[test]
    fn a_key_source_has_one_clock_from_its_verifiers() {
        let source = Arc::new(Timed::default());
        let build = |seconds| {
            let trusted = NeedsAudience::new("https://id.test", Arc::clone(&source) as Arc<dyn KeySource>);
            let clock = Arc::new(FixedClock::new(UnixTime::from_secs(seconds)));
            Verifier::builder().trust(trusted.audience("orders")).clock(clock).build()
        };
        assert!(build(7).is_ok() && build(7).is_ok());
        assert_eq!(source.1.get().now(), UnixTime::from_secs(7));
        assert_eq!(build(8).expect_err("another clock").faults()[0].field, "clock");
    }
}
