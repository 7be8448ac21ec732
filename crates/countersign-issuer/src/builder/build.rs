//! Checks of the settings, and the construction of an issuer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::KeySource;
use countersign_core::proof::ExternalUrl;

use super::IssuerBuilder;
use super::name::name_fault;
use crate::audit::Refusals;
use crate::client::{AssertionCheck, Client, ClientAuthenticator, PublicKeys, Registry, SecretCheck, pepper_key};
use crate::policy::{IdentityProvider, MAX_TOKEN_LIFETIME, lifetime_fault};
use crate::proof::ProofCheck;
use crate::rotation::{KeyRing, Maintenance, RingKeys, RingSettings, RotationError};
use crate::service::{Federations, IdentityProviders, Issuer, Parts, Revocations, TrustDomains, own_token_verifier};
use crate::status::{StatusListSettings, Statuses};
use crate::store::{AsyncStore, MemoryStore};

/// The shortest time between scheduled rotations, well above the time in which an old key retires.
const MIN_ROTATION_INTERVAL: Duration = Duration::from_secs(3600);

impl IssuerBuilder {
    /// Checks the settings, reads the stored keys or generates one, and builds the issuer. Blocks if the store does.
    ///
    /// # Errors
    /// `ConfigError` with every fault found, each naming its field.
    pub fn build(mut self) -> Result<Issuer, ConfigError> {
        let mut faults = self.clients.iter_mut().flat_map(Client::hash_secrets).collect::<Vec<_>>();
        faults.extend(self.faults());
        let pepper = self.pepper.as_ref().map(pepper_key).transpose();
        faults.extend(pepper.as_ref().err().iter().flat_map(|error| error.faults().to_vec()));
        ConfigError::check(faults)?;
        let external_url = ExternalUrl::new(&self.name).map_err(|fault| ConfigError::new("issuer", fault.problem))?;
        // Before the store is opened.
        let federations = Federations::new(&self.federations, Arc::clone(&self.clock), self.danger_denied)?;

        let lifetimes = self.audiences.iter().filter_map(|audience| audience.lifetime);
        let max_token_lifetime = lifetimes.chain([self.token_lifetime]).max().unwrap_or(MAX_TOKEN_LIFETIME);
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let keys = KeyRing::open(RingSettings {
            issuer: self.name.clone(),
            algorithm: self.algorithm,
            max_token_lifetime,
            rotation_interval: self.rotation_interval,
            clock: Arc::clone(&self.clock),
            store: Arc::clone(&store),
            store_key: self.store_key,
        })
        .map_err(|error| {
            let field = if matches!(error, RotationError::Store(_)) { "store" } else { "algorithm" };
            ConfigError::new(field, error.to_string())
        })?;
        let keys = Arc::new(keys);
        let ring = Arc::downgrade(&keys);
        store.watch_keys(Arc::new(move || {
            if let Some(ring) = ring.upgrade() {
                ring.expect_change();
            }
        }));
        let store = AsyncStore::new(store, Arc::clone(&self.clock));
        let clients = self.clients.into_iter().collect::<Registry>();
        let (providers, denied) = (self.identity_providers, self.danger_denied);
        let identity_providers = IdentityProviders::new(providers, &self.name, &self.clock, denied, store.clone())?;
        let assertions = assertion_checks(&clients, &self.name, &self.clock, self.danger_denied)?;
        let secrets = SecretCheck::new(
            pepper?,
            self.concurrent_checks,
            self.secret_cache_lifetime,
            Arc::clone(&self.clock),
            &clients,
            store.clone(),
        )?;
        let key_source = Arc::new(RingKeys::new(Arc::clone(&keys)));
        let counts = Arc::default();
        let maintenance = Maintenance::new(Arc::clone(&keys), Arc::clone(&counts));
        let source = Arc::clone(&key_source) as Arc<dyn KeySource>;
        let clock = Arc::clone(&self.clock);
        let trust_domains =
            TrustDomains::new(self.trust_domains, &self.name, &source, self.algorithm, &clock, self.danger_denied)?;
        let own_tokens = own_token_verifier(&self.name, source, self.algorithm, &self.audiences, clock).build()?;
        if self.status_lists.is_some() && store.blocking().statuses().is_none() {
            return Err(ConfigError::new(
                "status_lists",
                "the store has no statuses; use one that implements StatusStore",
            ));
        }
        let statuses = self.status_lists.map(|settings| {
            Statuses::new(settings, &self.name, max_token_lifetime, store.clone(), Arc::clone(&self.clock))
        });
        let (clock, proof_store) = (Arc::clone(&self.clock), store.clone());
        let proofs = ProofCheck::new(external_url, self.dpop_nonces, self.dpop_bound_access_tokens, clock, proof_store);
        Ok(Issuer::new(Parts {
            audiences: self.audiences.into_iter().map(|audience| (audience.name().to_owned(), audience)).collect(),
            federations,
            identity_providers,
            trust_domains,
            clients: ClientAuthenticator::new(clients, secrets, assertions, store.clone()),
            name: self.name,
            token_lifetime: self.token_lifetime,
            clock: self.clock,
            keys,
            key_source,
            maintenance,
            own_tokens,
            revocations: Revocations::new(store, self.sinks),
            refusals: Refusals::default(),
            counts,
            proofs,
            statuses,
        }))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(problem) = name_fault(&self.name) {
            faults.push(Fault::new("issuer", problem));
        }
        if let Some(problem) = lifetime_fault(self.token_lifetime) {
            faults.push(Fault::new("token_lifetime", problem));
        }
        if self.algorithm.is_symmetric() {
            faults.push(Fault::new("algorithm", "symmetric, so that verifiers could forge tokens; use ES256"));
        }
        if self.concurrent_checks == 0 {
            faults.push(Fault::new(
                "concurrent_secret_checks",
                "zero, so that no client could authenticate; set 1 or more",
            ));
        }
        if self.rotation_interval.is_some_and(|interval| interval < MIN_ROTATION_INTERVAL) {
            faults.push(Fault::new("rotation_interval", "below an hour; old keys could not retire in time"));
        }
        faults.extend(self.status_lists.iter().flat_map(StatusListSettings::faults));
        let mut names = BTreeSet::new();
        for audience in &self.audiences {
            faults.extend(audience.faults());
            if !names.insert(audience.name()) {
                faults.push(Fault::new(
                    "audience",
                    format!("{} is added twice; remove one", audience.name().escape_debug()),
                ));
            }
        }
        for domain in &self.trust_domains {
            faults.extend(domain.faults());
            // A name means one thing: an audience of access tokens, or a trust domain.
            if !names.insert(domain.name()) {
                let name = domain.name().escape_debug();
                faults
                    .push(Fault::new("trust_domain", format!("{name} is added twice, or is an audience; rename one")));
            }
        }
        let is_client = |id: &str| self.clients.iter().any(|client| client.id() == id);
        faults.extend(self.federations.iter().flat_map(|federation| federation.faults(is_client)));
        faults.extend(IdentityProvider::faults(&self.identity_providers, &self.name));
        let trusted = self.federations.iter().map(|federation| &federation.trusted);
        let trusted = trusted.chain(self.identity_providers.iter().map(|provider| &provider.trusted));
        let of_domains = self.trust_domains.iter().flat_map(|domain| &domain.subject_issuers);
        for issuer in trusted.chain(of_domains.map(|(trusted, _)| trusted)) {
            if issuer.status_list_rules().is_some() {
                let field = format!("{}: status_lists", issuer.issuer().escape_debug());
                faults.push(Fault::new(field, "a token service does not check status lists; remove the table"));
            }
        }
        let is_federated = |client: &Client| {
            self.federations.iter().flat_map(|federation| &federation.subjects).any(|(_, id)| id == client.id())
        };
        let mut ids = BTreeSet::new();
        for client in &self.clients {
            if client.exchange_rules.iter().any(|rule| rule.without_actor) {
                let id = client.id().escape_debug();
                match self.danger_denied {
                    true => faults.push(Fault::new(
                        "danger",
                        format!("{id} exchanges without an actor, and deny_danger forbids it"),
                    )),
                    false => tracing::warn!(client = %id, "a client exchanges without an actor (danger_without_actor)"),
                }
            }
            faults.extend(client.faults(
                &self.audiences,
                &self.trust_domains,
                self.pepper.is_some(),
                is_federated(client),
            ));
            if !ids.insert(client.id()) {
                faults.push(Fault::new("client", format!("{} is added twice; remove one", client.id().escape_debug())));
            }
        }
        faults
    }
}

fn assertion_checks(
    clients: &Registry,
    issuer: &str,
    clock: &Arc<dyn Clock>,
    danger_denied: bool,
) -> Result<HashMap<String, AssertionCheck>, ConfigError> {
    let with_keys = clients.iter().filter_map(|client| Some((client.id(), client.public_keys.as_ref()?)));
    let check = |(id, keys): (&str, &PublicKeys)| {
        Ok((id.to_owned(), AssertionCheck::new(id, keys, issuer, Arc::clone(clock), danger_denied)?))
    };
    with_keys.map(check).collect()
}
