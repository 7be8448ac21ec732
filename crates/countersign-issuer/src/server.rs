//! The issuer itself: what is shared by its endpoints, and what an application does with it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use countersign_core::authz::Authorities;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{NeedsAudience, Profile, TrustedIssuer};
use countersign_core::verify::{Verified, Verifier};

use crate::audit;
use crate::builder::{IssuerBuilder, MAX_TOKEN_LIFETIME};
use crate::client::{AssertionCheck, Client, Registry, SecretCheck};
use crate::endpoint::{self, OAuthError, Presented, Proof};
use crate::policy::{Audience, Federation};
use crate::rotation::{KeyRing, Published, PublishedKey, RotationError};
use crate::state::State;
use crate::store::{List, Remembered, StoreError};
use crate::throttle::Throttle;

/// The claim that names a tenant.
pub(crate) const TENANT_CLAIM: &str = "tenant";

/// A token service. Cheap to clone; clones are the same service.
///
/// ```
/// use countersign_issuer::{Audience, Client, Issuer, SecretHash};
///
/// let (_, stored) = SecretHash::generate()?;
/// let issuer = Issuer::builder("https://sts.example.com")
///     .audience(Audience::new("billing").scopes(["invoices:read"]))
///     .client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
///     .build()?;
/// assert_eq!(issuer.name(), "https://sts.example.com");
///
/// let faults = Issuer::builder("http://sts.example.com").client(Client::new("orders").audiences(["biling"])).build();
/// let fields: Vec<_> = faults.unwrap_err().faults().iter().map(|fault| fault.field.to_string()).collect();
/// assert_eq!(fields, ["issuer", "client orders: secret", "client orders: audiences"]);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    name: String,
    base_path: String,
    audiences: HashMap<String, Audience>,
    clients: Registry,
    token_lifetime: Duration,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyRing>,
    secrets: SecretCheck,
    own_tokens: Verifier,
    metadata: String,
    assertions: HashMap<String, AssertionCheck>,
    state: State,
    throttle: Throttle,
    federated: Option<Federated>,
}

/// Other issuers, and which of our clients their subjects are: by (issuer, subject), never by subject alone.
struct Federated {
    verifier: Verifier,
    clients: HashMap<(String, String), String>,
}

/// Why a token is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RevocationError {
    /// As many tokens are revoked as are remembered; wait until some of them end.
    Full,
    /// The store could not keep it.
    Store(StoreError),
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RevocationError::Full => f.write_str("100000 live tokens are revoked already; revoke the key instead"),
            RevocationError::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for RevocationError {}

/// What a builder hands over, judged.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) base_path: String,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) clients: Registry,
    pub(crate) federations: Vec<Federation>,
    pub(crate) token_lifetime: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) secrets: SecretCheck,
    pub(crate) state: State,
}

impl Issuer {
    /// Begins an issuer of this name: the address that it is served at, https or loopback, without a slash at its end.
    pub fn builder(name: impl Into<String>) -> IssuerBuilder {
        IssuerBuilder::new(name.into())
    }

    pub(crate) fn assemble(parts: Parts) -> Result<Self, ConfigError> {
        let scopes: std::collections::BTreeSet<&str> =
            parts.audiences.iter().flat_map(|audience| &audience.scopes.0).map(AsRef::as_ref).collect();
        let metadata = endpoint::document(&parts.name, &scopes.into_iter().collect::<Vec<_>>()).to_string();
        let own_tokens = own_tokens(&parts)?;
        let federated = federated(&parts)?;
        let mut assertions = HashMap::new();
        for client in parts.clients.iter() {
            if let Some(jwks) = &client.jwks {
                let check = AssertionCheck::new(client.id(), jwks, &parts.name, Arc::clone(&parts.clock))?;
                assertions.insert(client.id().to_owned(), check);
            }
        }
        Ok(Issuer(Arc::new(Inner {
            name: parts.name,
            base_path: parts.base_path,
            audiences: parts.audiences.into_iter().map(|audience| (audience.name().to_owned(), audience)).collect(),
            clients: parts.clients,
            token_lifetime: parts.token_lifetime,
            clock: parts.clock,
            keys: parts.keys,
            secrets: parts.secrets,
            own_tokens,
            metadata,
            assertions,
            state: parts.state,
            throttle: Throttle::new(),
            federated,
        })))
    }

    /// Its endpoints, at their places under the issuer's name: `/token`, `/introspect`, `/revoke`, `/jwks`, and both discovery documents. Merge it
    /// into an application at the top, not below a path: the issuer's own path is in it.
    ///
    /// Start the server with `into_make_service_with_connect_info::<SocketAddr>()`, so that callers have an address.
    pub fn router(&self) -> Router {
        endpoint::router(self.clone())
    }

    /// Its name: what tokens carry as `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// This issuer as a verifier in the same process trusts it: its keys without a network, its algorithm, RFC 9068.
    ///
    /// ```
    /// use countersign_core::{mint::Draft, verify::Verifier};
    /// use countersign_issuer::{Audience, Issuer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").audience(Audience::new("orders")).build()?;
    /// let verifier = Verifier::new(issuer.trusted_for("orders"))?;
    /// let token = issuer.mint(&Draft::access_token().subject("ann").audience("orders").client_id("web-shop"))?;
    /// assert_eq!(verifier.verify(token.as_str()).await?.subject(), "ann");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trusted_for(&self, audience: impl Into<String>) -> TrustedIssuer {
        issuer_rules(&self.0.name, &self.0.keys, audience)
    }

    /// Publishes a new key, which signs once every verifier's cache has it (420 s); the key that signs now then retires,
    /// published until the last token that it signed has ended. A key that is pending already is not doubled.
    ///
    /// RSA keys take some hundred milliseconds to make: call this from a blocking thread then.
    ///
    /// # Errors
    /// `RotationError` where sixteen keys are published already, or none could be made.
    pub fn rotate(&self) -> Result<PublishedKey, RotationError> {
        self.0.keys.rotate()
    }

    /// Signs with another key from this moment on, and keeps the old one published.
    ///
    /// A verifier whose cache is older looks again for the unknown `kid`; one that does not do so refuses new tokens for up
    /// to 300 s. [`rotate`](Self::rotate) has no such gap.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn rotate_now(&self) -> Result<PublishedKey, RotationError> {
        self.0.keys.rotate_now()
    }

    /// Drops a key that leaked: out of the published set and from signing at once. `false` where there is none of that
    /// `kid`.
    ///
    /// Verifiers go on taking its tokens until they look again: at worst for the set's `max-age` of 300 s, and where this
    /// service cannot be reached, for as long as they use stale keys.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate), where the key was the one that signs.
    pub fn revoke_key(&self, key_id: &str) -> Result<bool, RotationError> {
        self.0.keys.revoke(key_id)
    }

    /// The published keys, the active one first.
    #[must_use]
    pub fn keys(&self) -> Vec<PublishedKey> {
        self.0.keys.keys()
    }

    /// Takes a token back that was minted here, by its `jti`, until it ends by itself: introspection calls it inactive, and
    /// it is exchanged no more. Services that verify by themselves go on taking it unless they share the list.
    ///
    /// What is answered with `Ok` is in the store. Blocks where that one does.
    ///
    /// # Errors
    /// `RevocationError` where 100,000 live tokens are on the list, or the store failed.
    pub fn revoke_token(&self, token_id: &str, expires_at: UnixTime) -> Result<(), RevocationError> {
        let now = self.0.clock.now();
        match self.0.state.store().remember(List::Revoked, &State::name(token_id), expires_at, now) {
            Ok(Remembered::New | Remembered::Known) => Ok(()),
            Ok(Remembered::Full) => Err(RevocationError::Full),
            Err(error) => Err(RevocationError::Store(error)),
        }
    }

    /// The same from an endpoint.
    pub(crate) async fn revoke(&self, token_id: &str, expires_at: UnixTime) -> Result<(), OAuthError> {
        let now = self.0.clock.now();
        match self.0.state.remember(List::Revoked, token_id, expires_at, now).await? {
            Remembered::New | Remembered::Known => Ok(()),
            Remembered::Full => Err(OAuthError::busy()),
        }
    }

    /// Sees after the keys where it is time: what other instances changed, what the schedule says.
    pub(crate) async fn tend_keys(&self) {
        if !self.0.keys.is_due() {
            return;
        }
        let keys = Arc::clone(&self.0.keys);
        let tended = match self.0.state.store().is_quick() && !self.0.keys.is_scheduled() {
            true => keys.tend(),
            false => tokio::task::spawn_blocking(move || keys.tend()).await.unwrap_or(Ok(())),
        };
        if let Err(error) = tended {
            audit::keys_not_tended(&error);
        }
    }

    /// The client that proved to be the one it says.
    pub(crate) async fn authenticate(
        &self,
        presented: Presented,
        peer: Option<IpAddr>,
    ) -> Result<Arc<Client>, OAuthError> {
        let Presented { client_id, proof } = presented;
        let elapsed = self.0.clock.elapsed();
        if let Some(wait) = self.0.throttle.wait(&client_id, peer, elapsed) {
            return Err(OAuthError::throttled(wait.as_secs().saturating_add(1)));
        }
        let client = self.0.clients.find(&client_id).filter(|client| !client.is_locked());
        let is_right = match proof {
            Proof::Secret(secret) => {
                let checked = self.0.secrets.is_right(client.map(AsRef::as_ref), secret).await;
                checked.map_err(|_| OAuthError::busy())?
            }
            Proof::Assertion(assertion) => match client.zip(self.0.assertions.get(&client_id)) {
                Some((client, check)) => check.proves(client, &assertion, &self.0.state).await?,
                None => false,
            },
        };
        match client {
            Some(client) if is_right => Ok(Arc::clone(client)),
            _ => {
                self.0.throttle.failed(&client_id, peer, elapsed);
                Err(OAuthError::invalid_client())
            }
        }
    }

    /// The client that another issuer's token speaks of.
    pub(crate) async fn federated(&self, assertion: &str) -> Result<Arc<Client>, OAuthError> {
        let federated = self.0.federated.as_ref().ok_or(OAuthError::invalid_grant())?;
        let verified = federated.verifier.verify(assertion).await.map_err(|error| {
            audit::presented_token_refused(&error);
            if error.is_unavailable() { OAuthError::busy() } else { OAuthError::invalid_grant() }
        })?;
        let identity = (verified.issuer().to_owned(), verified.subject().to_owned());
        let client = federated.clients.get(&identity).and_then(|id| self.0.clients.find(id));
        client.filter(|client| !client.is_locked()).map(Arc::clone).ok_or(OAuthError::invalid_grant())
    }

    /// A token that this issuer made, whatever it was made for, if it is good.
    ///
    /// An error where it cannot be said whether it is revoked.
    pub(crate) async fn verify_own(&self, token: &str) -> Result<Option<Arc<Verified>>, OAuthError> {
        let verified = match self.0.own_tokens.verify(token).await {
            Ok(verified) => verified,
            Err(error) => {
                audit::presented_token_refused(&error);
                return Ok(None);
            }
        };
        let Some(id) = verified.token_id() else { return Ok(None) };
        let is_revoked = self.0.state.remembers(List::Revoked, id).await?;
        Ok((!is_revoked).then_some(verified))
    }

    pub(crate) fn audience(&self, name: &str) -> Option<&Audience> {
        self.0.audiences.get(name)
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        self.0.keys.published()
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.0.base_path
    }

    pub(crate) fn metadata(&self) -> &str {
        &self.0.metadata
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn token_lifetime(&self) -> Duration {
        self.0.token_lifetime
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.0.name).field("keys", &self.keys()).finish_non_exhaustive()
    }
}

/// The issuer's own tokens: for any of its audiences, without leeway, since the clock is the one that dated them.
fn own_tokens(parts: &Parts) -> Result<Verifier, ConfigError> {
    let mut trusted = issuer_rules(&parts.name, &parts.keys, parts.name.as_str()).leeway(Duration::ZERO);
    for audience in &parts.audiences {
        trusted = trusted.add_audience(audience.name());
    }
    Verifier::builder().trust(trusted).clock(Arc::clone(&parts.clock)).build()
}

fn federated(parts: &Parts) -> Result<Option<Federated>, ConfigError> {
    if parts.federations.is_empty() {
        return Ok(None);
    }
    let mut builder = Verifier::builder().clock(Arc::clone(&parts.clock));
    let mut clients = HashMap::new();
    for federation in &parts.federations {
        for (subject, client) in &federation.subjects {
            clients.insert((federation.trusted.issuer().to_owned(), subject.clone()), client.clone());
        }
        builder = builder.trust(federation.trusted.clone());
    }
    Ok(Some(Federated { verifier: builder.build()?, clients }))
}

fn issuer_rules(name: &str, keys: &Arc<KeyRing>, audience: impl Into<String>) -> TrustedIssuer {
    NeedsAudience::new(name, Arc::clone(keys) as Arc<dyn KeySource>)
        .audience(audience)
        .algorithms([keys.algorithm()])
        .profile(Profile::AccessToken)
        .max_lifetime(MAX_TOKEN_LIFETIME)
        .authorities(Authorities::new().tenant_at("/tenant"))
}

#[cfg(test)]
mod tests;
