//! An issuer in memory.

use std::sync::Arc;

use countersign_core::authz::Authorities;
use countersign_core::clock::UnixTime;
use countersign_core::key::{Algorithm, KeySource};
use countersign_core::mint::Signer;
use countersign_core::policy::{NeedsAudience, TrustedIssuer};
use countersign_core::verify::Verifier;

use crate::clock::ManualClock;
use crate::draft::TokenDraft;
use crate::ring::KeyRing;

/// The name of an issuer that was given none.
const ISSUER: &str = "https://issuer.test";

/// Where the clock of a new issuer stands, in seconds since 1970.
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
/// issuer.clock().advance(Duration::from_secs(91)); // its life and the leeway of 30 s
/// assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "expired");
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct TestIssuer {
    name: String,
    clock: ManualClock,
    ring: Arc<KeyRing>,
}

impl TestIssuer {
    /// `https://issuer.test`, an ES256 key, and a clock that stands at 1 700 000 000.
    #[must_use]
    pub fn new() -> Self {
        Self::with_algorithm(Algorithm::ES256)
    }

    /// As [`new`](Self::new), with a key of another algorithm.
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
        TestIssuer { name: ISSUER.to_owned(), clock, ring: Arc::new(KeyRing::new(algorithm)) }
    }

    /// As [`new`](Self::new), by the machine's clock: for tokens that leave the process.
    ///
    /// ```
    /// use countersign_core::{clock::{Clock, SystemClock}};
    /// use countersign_test::TestIssuer;
    ///
    /// assert!(TestIssuer::with_system_clock().clock().now() >= SystemClock.now() .saturating_sub(std::time::Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub fn with_system_clock() -> Self {
        TestIssuer { clock: ManualClock::from_system(), ..Self::new() }
    }

    /// The same keys and clock under another name (`iss`).
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// let partner = TestIssuer::new().with_name("https://partner.test");
    /// assert_eq!(partner.name(), "https://partner.test");
    /// ```
    #[must_use]
    pub fn with_name(mut self, issuer: impl Into<String>) -> Self {
        self.name = issuer.into();
        self
    }

    /// What its tokens carry as `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The clock by which its tokens are dated and [`verifier_for`](Self::verifier_for) judges.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// A token to be: for nobody yet (name the audience), good for five minutes.
    pub fn token(&self) -> TokenDraft {
        TokenDraft::new(self)
    }

    /// This issuer as a policy trusts it, for tokens made for `audience`. Its keys follow [`rotate`](Self::rotate).
    ///
    /// Roles, permissions, groups and tenant are read from where [`TokenDraft`] writes them ([`authorities`](Self::authorities)),
    /// and the issuer's own algorithm is the only one allowed.
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
        NeedsAudience::new(&self.name, self.key_source())
            .audience(audience)
            .algorithms([self.algorithm()])
            .authorities(Self::authorities())
    }

    /// A verifier that trusts this issuer alone and judges by its clock.
    #[must_use]
    pub fn verifier_for(&self, audience: impl Into<String>) -> Verifier {
        let clock = Arc::new(self.clock.clone());
        Verifier::builder()
            .trust(self.trusted_for(audience))
            .clock(clock)
            .build()
            .unwrap_or_else(|faults| panic!("this issuer cannot be trusted: {faults}"))
    }

    /// Where [`TokenDraft`] writes roles (`/roles`), permissions (`/permissions`), groups (`/groups`) and tenant (`/tenant`).
    ///
    /// For policies that find this issuer's keys by themselves, through a [`Provider`](crate::Provider).
    ///
    /// ```
    /// use countersign_core::authz::Authorities;
    /// use countersign_test::TestIssuer;
    ///
    /// let same = Authorities::new()
    ///     .roles_at("/roles")
    ///     .permissions_at("/permissions")
    ///     .groups_at("/groups")
    ///     .tenant_at("/tenant");
    /// assert_eq!(TestIssuer::authorities(), same);
    /// ```
    pub fn authorities() -> Authorities {
        Authorities::new().roles_at("/roles").permissions_at("/permissions").groups_at("/groups").tenant_at("/tenant")
    }

    /// Signs with a new key from now on; the older ones stay published, and what they signed stays good.
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
        self.ring.rotate();
    }

    /// Publishes the signing key alone: what older keys signed is refused from now on.
    pub fn withdraw_old_keys(&self) {
        self.ring.withdraw_old();
    }

    /// The public keys as a JWK Set, the signing one first.
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
        self.ring.jwks().to_string()
    }

    /// The keys as a source that a policy of your own can be made of.
    #[must_use]
    pub fn key_source(&self) -> Arc<dyn KeySource> {
        Arc::clone(&self.ring) as Arc<dyn KeySource>
    }

    /// The algorithm of its keys.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.ring.algorithm()
    }

    /// The `kid` of the key that signs now.
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
        self.signer().key_id().to_owned()
    }

    pub(crate) fn signer(&self) -> Arc<Signer> {
        self.ring.signing()
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}
