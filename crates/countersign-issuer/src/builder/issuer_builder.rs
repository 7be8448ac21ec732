//! The settings of an issuer.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::key::Algorithm;
use countersign_core::proof::Nonces;
use countersign_core::revocation::RevocationSink;
use countersign_core::secret::Secret;

use crate::client::Client;
use crate::policy::{Audience, Federation, IdentityProvider, TrustDomain};
use crate::service::Issuer;
use crate::status::StatusListSettings;
use crate::store::{Store, StoreKey};

/// The default lifetime of a token.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// The default number of concurrent Argon2id checks; each takes 19 MiB.
const CONCURRENT_CHECKS: usize = 4;

/// The default time that a successful secret check is cached.
const SECRET_CACHE_LIFETIME: Duration = Duration::from_secs(300);

/// Collects the audiences, clients and settings of an issuer. [`build`](Self::build) reports all faults at once.
///
/// ```
/// use std::time::Duration;
/// use countersign_issuer::{Audience, Client, Issuer, SecretHash};
///
/// let (shown_once, stored) = SecretHash::generate()?;
/// let issuer = Issuer::builder("http://127.0.0.1:4000")
///     .add_audience(Audience::new("billing").scopes(["invoices:read"]))
///     .add_client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
///     .token_lifetime(Duration::from_secs(120))
///     .rotation_interval(Duration::from_secs(86_400))
///     .build()?;
/// # let _ = (shown_once, issuer);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct IssuerBuilder {
    pub(super) name: String,
    pub(super) audiences: Vec<Audience>,
    pub(super) clients: Vec<Client>,
    pub(super) federations: Vec<Federation>,
    pub(super) identity_providers: Vec<IdentityProvider>,
    pub(super) trust_domains: Vec<TrustDomain>,
    pub(super) token_lifetime: Duration,
    pub(super) algorithm: Algorithm,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pepper: Option<Secret<Vec<u8>>>,
    pub(super) concurrent_checks: usize,
    pub(super) secret_cache_lifetime: Duration,
    pub(super) rotation_interval: Option<Duration>,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) store_key: Option<StoreKey>,
    pub(super) sinks: Vec<Arc<dyn RevocationSink>>,
    pub(super) danger_denied: bool,
    pub(super) dpop_bound_access_tokens: bool,
    pub(super) dpop_nonces: Option<Nonces>,
    pub(super) status_lists: Option<StatusListSettings>,
}

impl Issuer {
    /// A builder of an issuer with this name: the URL at which it is served, https or loopback, without a slash at its end.
    pub fn builder(name: impl Into<String>) -> IssuerBuilder {
        IssuerBuilder {
            name: name.into(),
            audiences: Vec::new(),
            clients: Vec::new(),
            federations: Vec::new(),
            identity_providers: Vec::new(),
            trust_domains: Vec::new(),
            token_lifetime: TOKEN_LIFETIME,
            algorithm: Algorithm::ES256,
            clock: Arc::new(SystemClock),
            pepper: None,
            concurrent_checks: CONCURRENT_CHECKS,
            secret_cache_lifetime: SECRET_CACHE_LIFETIME,
            rotation_interval: None,
            store: None,
            store_key: None,
            sinks: Vec::new(),
            danger_denied: false,
            dpop_bound_access_tokens: false,
            dpop_nonces: None,
            status_lists: None,
        }
    }
}

impl IssuerBuilder {
    /// Adds a service that tokens are issued for.
    pub fn add_audience(mut self, audience: Audience) -> Self {
        self.audiences.push(audience);
        self
    }

    /// Adds a service that requests tokens.
    pub fn add_client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds a trust domain: the issuer is its transaction token service (draft-ietf-oauth-transaction-tokens-10).
    ///
    /// Clients with a [`TransactionRule`](crate::TransactionRule) request transaction tokens by token exchange. Services verify them
    /// with the issuer's keys, and with its name as their `iss`.
    ///
    /// ```
    /// use countersign_issuer::{Client, Issuer, SecretHash, TransactionRule, TrustDomain};
    ///
    /// let (shown_once, stored) = SecretHash::generate()?;
    /// let issuer = Issuer::builder("http://127.0.0.1:4000")
    ///     .add_trust_domain(TrustDomain::new("shop.example").scopes(["orders:place"]))
    ///     .add_client(
    ///         Client::new("gateway")
    ///             .secret(stored)
    ///             .add_transaction_rule(TransactionRule::new("shop.example", ["orders:place"])),
    ///     )
    ///     .build()?;
    /// # let _ = (shown_once, issuer);
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[cfg(feature = "txn")]
    pub fn add_trust_domain(mut self, domain: TrustDomain) -> Self {
        self.trust_domains.push(domain);
        self
    }

    /// Adds another issuer, tokens of which authenticate clients.
    pub fn add_federation(mut self, federation: Federation) -> Self {
        self.federations.push(federation);
        self
    }

    /// Adds an identity provider, whose assertions about users are grants. Default: none, so that the issuer refuses them.
    ///
    /// Only clients with [`Grant::JwtBearer`](crate::Grant::JwtBearer) may present them.
    pub fn add_identity_provider(mut self, provider: IdentityProvider) -> Self {
        self.identity_providers.push(provider);
        self
    }

    /// The lifetime of tokens, in whole seconds. Default 300 s, at most 3600 s.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// The signing algorithm; symmetric ones are refused. Default: ES256.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The clock that dates tokens and keys. Default: the system clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = clock.into_shared();
        self
    }

    /// The pepper of keyed hashes, as given to [`SecretHash::generate_keyed`](crate::SecretHash::generate_keyed).
    pub fn pepper(mut self, pepper: Secret<Vec<u8>>) -> Self {
        self.pepper = Some(pepper);
        self
    }

    /// The number of concurrent Argon2id checks, 19 MiB each. Default 4. Up to 256 more requests wait for at most 2 s; the
    /// others are answered 503. Secrets that were right before go first, and the others share by address.
    pub fn concurrent_secret_checks(mut self, checks: usize) -> Self {
        self.concurrent_checks = checks;
        self
    }

    /// The time that a successful secret check is cached, in memory and as a keyed hash. Default 300 s; zero makes each
    /// request a check. After that time the hash still shows that the secret was right before.
    pub fn secret_cache_lifetime(mut self, lifetime: Duration) -> Self {
        self.secret_cache_lifetime = lifetime;
        self
    }

    /// The store of keys, revocations and upgraded secret hashes. Default: a [`MemoryStore`](crate::MemoryStore), which
    /// loses them at a restart.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The key that seals private keys in the store (AES-256-GCM). With it, unsealed stored keys are refused. Default: none.
    pub fn store_key(mut self, key: StoreKey) -> Self {
        self.store_key = Some(key);
        self
    }

    /// Hands each revocation to this sink once it is stored, such as to the list of services in the same process.
    ///
    /// A sink gets only what this instance revokes, and nothing after a restart. To tell other processes, publish the issuer, which
    /// is a [`RevocationLog`](countersign_core::revocation::RevocationLog), for example with `RevocationStream` of the crate
    /// `countersign-redis`.
    pub fn add_revocation_sink(mut self, sink: impl RevocationSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Demands a proof of possession (DPoP, RFC 9449) with each token request, so that all tokens are bound to a key. Default: a
    /// client that sends a proof gets a bound token, and another one a bearer token;
    /// [`Client::dpop_bound_access_tokens`](crate::Client::dpop_bound_access_tokens) demands proofs of one client.
    pub fn dpop_bound_access_tokens(mut self) -> Self {
        self.dpop_bound_access_tokens = true;
        self
    }

    /// Demands one of these nonces in each proof (RFC 9449 §8). Instances of one issuer need nonces of the same secret. Default:
    /// none.
    ///
    /// ```
    /// use countersign_core::proof::Nonces;
    /// use countersign_issuer::Issuer;
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").dpop_nonces(Nonces::generate()?).build()?;
    /// # let _ = issuer;
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn dpop_nonces(mut self, nonces: Nonces) -> Self {
        self.dpop_nonces = Some(nonces);
        self
    }

    /// Assigns an index of a status list to each access token, and publishes the lists at `/status-lists/` under the issuer's name
    /// (draft-ietf-oauth-status-list-21). Services that check them refuse a revoked token within seconds. Default: none.
    ///
    /// [`/revoke`](Issuer::router) and [`revoke_token_at`](Issuer::revoke_token_at) revoke the index of a token too. Every 1,024
    /// tokens cost one write to the store, and a token is about 100 bytes longer.
    ///
    /// ```
    /// use countersign_issuer::{Issuer, StatusListSettings};
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").status_lists(StatusListSettings::default()).build()?;
    /// # let _ = issuer;
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn status_lists(mut self, settings: StatusListSettings) -> Self {
        self.status_lists = Some(settings);
        self
    }

    /// Refuses to build if a client's rule uses [`danger_without_actor`](crate::ExchangeRule::danger_without_actor), or a
    /// federation or an identity provider is trusted under weakened rules or keys. Clients are not authenticated by test keys
    /// (`test-only-…`), and users are not asserted by them. For releases.
    pub fn deny_danger(mut self) -> Self {
        self.danger_denied = true;
        self
    }

    /// The age of the active key at which a rotation begins, at least an hour. Default: rotation only on demand.
    pub fn rotation_interval(mut self, interval: Duration) -> Self {
        self.rotation_interval = Some(interval);
        self
    }
}
