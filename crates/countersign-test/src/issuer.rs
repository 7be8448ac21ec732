//! An issuer in memory, without a socket.

use std::sync::Arc;

use countersign_core::authz::Authorities;
use countersign_core::clock::UnixTime;
use countersign_core::key::{Algorithm, KeySource};
use countersign_core::mint::Signer;
use countersign_core::policy::{NeedsAudience, TransactionService, TrustedIssuer};
use countersign_core::verify::{TransactionVerifier, Verifier};

use crate::clock::ManualClock;
use crate::draft::TokenDraft;
use crate::identity::Identity;
use crate::ring::KeyRing;

/// The name of an issuer if none is set.
const ISSUER: &str = "https://issuer.test";

/// The time of a new issuer's clock, in seconds since 1970.
const START: u64 = 1_700_000_000;

/// An issuer with real keys and no socket. Clones share keys and clock.
///
/// ```
/// use std::time::Duration;
/// use countersign_test::TestIssuer;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let issuer = TestIssuer::new();
/// let verifier = issuer.verifier_for("orders");
/// let token = issuer.token().audience("orders").lifetime(Duration::from_secs(60)).sign();
/// assert!(verifier.verify(&token).await.is_ok());
///
/// issuer.clock().advance(Duration::from_secs(91)); // its lifetime and the leeway of 30 s
/// assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "expired");
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct TestIssuer(Identity);

impl TestIssuer {
    /// An issuer named `https://issuer.test`, with an ES256 key and a clock stopped at 1 700 000 000.
    #[must_use]
    pub fn new() -> Self {
        Self::with_algorithm(Algorithm::ES256)
    }

    /// The same as [`new`](Self::new), with a key of another algorithm.
    ///
    /// ```
    /// use countersign_core::key::Algorithm;
    /// use countersign_test::TestIssuer;
    ///
    /// assert!(TestIssuer::with_algorithm(Algorithm::Ed25519).jwks().contains("OKP"));
    /// ```
    #[must_use]
    pub fn with_algorithm(algorithm: Algorithm) -> Self {
        let clock = ManualClock::new(UnixTime::from_secs(START));
        TestIssuer(Identity { name: ISSUER.to_owned(), clock, ring: Arc::new(KeyRing::new(algorithm)) })
    }

    /// The same as [`new`](Self::new), with the system clock, for tokens that leave the process.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_core::clock::{Clock, SystemClock};
    /// use countersign_test::TestIssuer;
    ///
    /// let issuer = TestIssuer::with_system_clock();
    /// assert!(issuer.clock().now() >= SystemClock.now().saturating_sub(Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub fn with_system_clock() -> Self {
        TestIssuer(Identity { clock: ManualClock::from_system(), ..Self::new().0 })
    }

    /// The same issuer with another name (`iss`). Keys and clock are shared.
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// let partner = TestIssuer::new().with_name("https://partner.test");
    /// assert_eq!(partner.name(), "https://partner.test");
    /// ```
    #[must_use]
    pub fn with_name(mut self, issuer: impl Into<String>) -> Self {
        self.0.name = issuer.into();
        self
    }

    /// The same issuer with this key, for tokens that are signed from run to run with one key. The key ID gets the prefix of
    /// test keys if it has not.
    ///
    /// ```
    /// use countersign_core::{key::Algorithm, mint::Signer};
    /// use countersign_test::TestIssuer;
    ///
    /// let key = Signer::generate(Algorithm::ES256)?.with_key_id("dev");
    /// assert_eq!(TestIssuer::new().with_key(key).key_id(), "test-only-dev");
    /// # Ok::<(), countersign_core::key::KeyRejected>(())
    /// ```
    #[must_use]
    pub fn with_key(mut self, key: Signer) -> Self {
        self.0.ring = Arc::new(KeyRing::of(key));
        self
    }

    /// The issuer's name: the `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The clock of its tokens and of [`verifier_for`](Self::verifier_for).
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.0.clock
    }

    /// A draft of a token with a lifetime of five minutes. It has no audience yet; name one.
    pub fn token(&self) -> TokenDraft {
        TokenDraft::new(&self.0)
    }

    /// This issuer for a policy, trusted for tokens with this audience. Its keys follow [`rotate`](Self::rotate).
    ///
    /// The policy reads the claims that [`TokenDraft`] writes ([`authorities`](Self::authorities)), and allows only the
    /// issuer's own algorithm.
    ///
    /// ```
    /// use countersign_core::verify::Verifier;
    /// use countersign_test::TestIssuer;
    ///
    /// let (staff, partners) = (TestIssuer::new(), TestIssuer::new().with_name("https://partner.test"));
    /// let verifier = Verifier::builder()
    ///     .trust(staff.trusted_for("orders"))
    ///     .trust(partners.trusted_for("orders"))
    ///     .build();
    /// assert!(verifier.is_ok());
    /// ```
    pub fn trusted_for(&self, audience: impl Into<String>) -> TrustedIssuer {
        NeedsAudience::new(&self.0.name, self.key_source())
            .audience(audience)
            .algorithms([self.algorithm()])
            .authorities(Self::authorities())
    }

    /// A verifier that trusts only this issuer, and uses its clock.
    #[must_use]
    pub fn verifier_for(&self, audience: impl Into<String>) -> Verifier {
        let clock = Arc::new(self.0.clock.clone());
        Verifier::builder()
            .trust(self.trusted_for(audience))
            .clock(clock)
            .build()
            .unwrap_or_else(|faults| panic!("this issuer cannot be trusted: {faults}"))
    }

    /// A draft of a transaction token (draft-ietf-oauth-transaction-tokens-10) of this issuer for a trust domain, complete except for
    /// its context: `.claim("tctx", …)`. It lives a minute.
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let issuer = TestIssuer::new();
    /// let token = issuer.transaction_token("shop.example", "trade.stocks").subject("ann").sign();
    /// let transaction = issuer.transaction_verifier_for("shop.example").verify(&token).await.unwrap();
    /// assert_eq!(transaction.subject(), "ann");
    /// assert!(transaction.scopes().eq(["trade.stocks"]));
    /// # });
    /// ```
    pub fn transaction_token(&self, trust_domain: impl Into<String>, scope: impl Into<String>) -> TokenDraft {
        TokenDraft::transaction(&self.0).audience(trust_domain).scope(scope)
    }

    /// This issuer as the trusted transaction token service of a trust domain. Its keys follow [`rotate`](Self::rotate).
    ///
    /// ```
    /// use countersign_core::verify::TransactionVerifier;
    /// use countersign_test::TestIssuer;
    ///
    /// let issuer = TestIssuer::with_system_clock();
    /// assert!(TransactionVerifier::new(issuer.transaction_service_for("shop.example")).is_ok());
    /// ```
    pub fn transaction_service_for(&self, trust_domain: impl Into<String>) -> TransactionService {
        TransactionService::new(trust_domain, self.key_source()).issuer(&self.0.name).algorithms([self.algorithm()])
    }

    /// A verifier of the transaction tokens of this issuer for a trust domain, with its clock.
    #[must_use]
    pub fn transaction_verifier_for(&self, trust_domain: impl Into<String>) -> TransactionVerifier {
        TransactionVerifier::builder(self.transaction_service_for(trust_domain))
            .clock(Arc::new(self.0.clock.clone()))
            .build()
            .unwrap_or_else(|faults| panic!("this issuer cannot be trusted: {faults}"))
    }

    /// The claims that [`TokenDraft`] writes: `/roles`, `/permissions`, `/groups` and `/tenant`.
    ///
    /// It is for policies that fetch this issuer's keys from a [`Provider`](crate::Provider).
    ///
    /// ```
    /// use countersign_core::authz::Authorities;
    /// use countersign_test::TestIssuer;
    ///
    /// let same = Authorities::new()
    ///     .roles_at("/roles")
    ///     .permissions_at("/permissions")
    ///     .groups_at("/groups")
    ///     .tenant_at("/tenant")
    ///     .names_of("https://issuer.test") // one namespace for all test issuers
    ///     .tenants_of("https://issuer.test");
    /// assert_eq!(TestIssuer::authorities(), same);
    /// ```
    pub fn authorities() -> Authorities {
        Authorities::new()
            .roles_at("/roles")
            .permissions_at("/permissions")
            .groups_at("/groups")
            .tenant_at("/tenant")
            .names_of("https://issuer.test")
            .tenants_of("https://issuer.test")
    }

    /// Signs with a new key from now on. Older keys stay published, and their tokens stay valid.
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let issuer = TestIssuer::new();
    /// let verifier = issuer.verifier_for("orders");
    /// let old = issuer.token().audience("orders").sign();
    /// issuer.rotate();
    /// assert!(verifier.verify(&old).await.is_ok());
    /// issuer.withdraw_old_keys();
    /// assert_eq!(verifier.verify(&old).await.unwrap_err().code(), "unknown_key");
    /// # });
    /// ```
    pub fn rotate(&self) {
        self.0.ring.rotate();
    }

    /// Publishes only the signing key from now on. Tokens of older keys become invalid.
    pub fn withdraw_old_keys(&self) {
        self.0.ring.withdraw_old();
    }

    /// The public keys as a JWK Set, the signing key first.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    /// use countersign_test::TestIssuer;
    ///
    /// let issuer = TestIssuer::new();
    /// issuer.rotate();
    /// assert_eq!(KeySet::from_jwks(issuer.jwks().as_bytes()).unwrap().len(), 2);
    /// ```
    #[must_use]
    pub fn jwks(&self) -> String {
        self.0.ring.jwks().to_string()
    }

    /// The keys as a key source, for a policy of your own.
    #[must_use]
    pub fn key_source(&self) -> Arc<dyn KeySource> {
        Arc::clone(&self.0.ring) as Arc<dyn KeySource>
    }

    /// The algorithm of its keys.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    /// The `kid` of the signing key.
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// let issuer = TestIssuer::new();
    /// assert_eq!(issuer.key_id(), "test-only-1");
    /// issuer.rotate();
    /// assert_eq!(issuer.key_id(), "test-only-2");
    /// ```
    #[must_use]
    pub fn key_id(&self) -> String {
        self.0.signer().key_id().to_owned()
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}
