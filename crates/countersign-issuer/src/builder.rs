//! Building an issuer, all faults at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::Algorithm;
use countersign_core::secret::Secret;
use url::Url;

use crate::client::{Client, Registry, SecretCheck, pepper_key};
use crate::policy::{Audience, Federation};
use crate::rotation::{KeyRing, RingSettings, RotationError};
use crate::server::{Issuer, Parts};
use crate::state::State;
use crate::store::{MemoryStore, Store, StoreKey};

/// How long a token lives by default (S8.11).
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// The longest life of a token that can be configured.
pub(crate) const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// How many Argon2id checks run side by side by default; each takes 19 MiB.
const CHECKS_AT_ONCE: usize = 4;

/// How long a successful check of a secret is remembered by default.
const REMEMBER_FOR: Duration = Duration::from_secs(300);

/// The shortest time between scheduled rotations: well above the time that an old key takes to go.
const SHORTEST_SCHEDULE: Duration = Duration::from_secs(3600);

/// Collects audiences, clients and settings; [`build`](Self::build) judges them.
#[derive(Debug)]
#[must_use]
pub struct IssuerBuilder {
    name: String,
    audiences: Vec<Audience>,
    clients: Vec<Client>,
    federations: Vec<Federation>,
    token_lifetime: Duration,
    algorithm: Algorithm,
    clock: Arc<dyn Clock>,
    pepper: Option<Secret<Vec<u8>>>,
    checks_at_once: usize,
    remember_for: Duration,
    rotate_every: Option<Duration>,
    store: Option<Arc<dyn Store>>,
    store_key: Option<StoreKey>,
}

impl IssuerBuilder {
    pub(crate) fn new(name: String) -> Self {
        IssuerBuilder {
            name,
            audiences: Vec::new(),
            clients: Vec::new(),
            federations: Vec::new(),
            token_lifetime: TOKEN_LIFETIME,
            algorithm: Algorithm::ES256,
            clock: Arc::new(SystemClock),
            pepper: None,
            checks_at_once: CHECKS_AT_ONCE,
            remember_for: REMEMBER_FOR,
            rotate_every: None,
            store: None,
            store_key: None,
        }
    }

    /// Adds a service that tokens are made for.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audiences.push(audience);
        self
    }

    /// Adds a service that asks for tokens.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Lets workloads of another issuer in as clients of ours.
    pub fn federation(mut self, federation: Federation) -> Self {
        self.federations.push(federation);
        self
    }

    /// How long tokens live, in whole seconds. Default 300 s, at most 3600 s.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Signs with this algorithm; symmetric ones are refused. Default: ES256.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Dates tokens and keys by this clock instead of the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The key under which secrets of [`SecretHash::generate_keyed`](crate::SecretHash::generate_keyed) are kept.
    pub fn pepper(mut self, pepper: Secret<Vec<u8>>) -> Self {
        self.pepper = Some(pepper);
        self
    }

    /// How many Argon2id checks run side by side, 19 MiB each. Default 4; 64 more may wait, the next is answered 503.
    pub fn secret_checks_at_once(mut self, checks: usize) -> Self {
        self.checks_at_once = checks;
        self
    }

    /// How long a successful check of a secret is remembered, in memory and as a keyed hash. Default 300 s; zero: never.
    pub fn remember_secrets_for(mut self, time: Duration) -> Self {
        self.remember_for = time;
        self
    }

    /// Keeps keys, revocations and upgraded secrets here. Default: in memory, which a restart forgets.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Seals private keys with this key before they go into the store (AES-256-GCM). What was stored sealed is read with
    /// the same key alone, and what was not is refused.
    pub fn store_key(mut self, key: StoreKey) -> Self {
        self.store_key = Some(key);
        self
    }

    /// Begins a rotation whenever the active key is this old, an hour at least. Default: only on demand.
    pub fn rotate_every(mut self, time: Duration) -> Self {
        self.rotate_every = Some(time);
        self
    }

    /// Judges everything, reads the stored keys or makes one, and builds. Blocks where the store does.
    ///
    /// # Errors
    /// `ConfigError` with every fault found, each naming its field.
    pub fn build(mut self) -> Result<Issuer, ConfigError> {
        let mut faults = self.clients.iter_mut().flat_map(Client::hash_secrets).collect::<Vec<_>>();
        faults.extend(self.faults());
        let pepper = self.pepper.as_ref().map(pepper_key).transpose();
        faults.extend(pepper.as_ref().err().iter().flat_map(|error| error.faults().to_vec()));
        ConfigError::check(faults)?;

        let lifetimes = self.audiences.iter().filter_map(|audience| audience.lifetime);
        let longest = lifetimes.chain([self.token_lifetime]).max().unwrap_or(MAX_TOKEN_LIFETIME);
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let keys = KeyRing::open(RingSettings {
            issuer: self.name.clone(),
            algorithm: self.algorithm,
            longest_token: longest,
            rotate_every: self.rotate_every,
            clock: Arc::clone(&self.clock),
            store: Arc::clone(&store),
            seal: self.store_key,
        })
        .map_err(|error| {
            let field = if matches!(error, RotationError::Store(_)) { "store" } else { "algorithm" };
            ConfigError::new(field, error.to_string())
        })?;
        let clients = self.clients.into_iter().collect::<Registry>();
        let state = State::new(store);
        let secrets = SecretCheck::new(
            pepper?,
            self.checks_at_once,
            self.remember_for,
            Arc::clone(&self.clock),
            &clients,
            state.clone(),
        )?;
        Issuer::assemble(Parts {
            base_path: Url::parse(&self.name)
                .map(|url| url.path().trim_end_matches('/').to_owned())
                .unwrap_or_default(),
            name: self.name,
            audiences: self.audiences,
            federations: self.federations,
            clients,
            token_lifetime: self.token_lifetime,
            clock: self.clock,
            keys: Arc::new(keys),
            secrets,
            state,
        })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(problem) = name_fault(&self.name) {
            faults.push(Fault::new("issuer", problem));
        }
        if self.token_lifetime > MAX_TOKEN_LIFETIME || self.token_lifetime.as_secs() == 0 {
            faults.push(Fault::new("token_lifetime", "not within 1 s to 3600 s"));
        }
        if self.algorithm.is_symmetric() {
            faults.push(Fault::new("algorithm", "symmetric; whoever can verify could forge. Take ES256"));
        }
        if self.checks_at_once == 0 {
            faults.push(Fault::new("secret_checks_at_once", "zero; no client could ever be let in"));
        }
        if self.rotate_every.is_some_and(|time| time < SHORTEST_SCHEDULE) {
            faults.push(Fault::new("rotate_every", "below an hour; keys would come faster than they can go"));
        }
        let mut names = BTreeSet::new();
        for audience in &self.audiences {
            faults.extend(audience.faults());
            if !names.insert(audience.name()) {
                faults.push(Fault::new("audience", format!("{} is there twice", audience.name().escape_debug())));
            }
        }
        let is_client = |id: &str| self.clients.iter().any(|client| client.id() == id);
        faults.extend(self.federations.iter().flat_map(|federation| federation.faults(is_client)));
        let is_federated = |client: &Client| {
            self.federations.iter().flat_map(|federation| &federation.subjects).any(|(_, id)| id == client.id())
        };
        let mut ids = BTreeSet::new();
        for client in &self.clients {
            faults.extend(client.faults(&self.audiences, self.pepper.is_some(), is_federated(client)));
            if !ids.insert(client.id()) {
                faults.push(Fault::new("client", format!("{} is there twice", client.id().escape_debug())));
            }
        }
        faults
    }
}

/// What is wrong with an issuer's name, which is the address that its endpoints are found under.
fn name_fault(name: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(name) else { return Some("no absolute URL; name the address that it is served at") };
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        _ => return Some("not https; only a loopback address may be plain http"),
    }
    if name.contains(['?', '#', '@']) {
        return Some("has a query, fragment or user part; leave it out");
    }
    if name.ends_with('/') {
        return Some("ends with a slash; leave it out, since tokens carry the name letter by letter");
    }
    if url.as_str().trim_end_matches('/') != name || !url.path().bytes().all(is_plain) || url.path().contains("//") {
        return Some("not in its plain form: lower-case host, no default port, no escapes, no dots in the path");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_13_an_issuer_is_https_or_on_loopback_and_in_its_plain_form() {
        for fine in [
            "https://id.example.com",
            "https://id.example.com/sts",
            "http://127.0.0.1:4000",
            "http://[::1]:1",
            "http://localhost:1/a/b",
        ] {
            assert_eq!(name_fault(fine), None, "{fine}");
        }
        for bad in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://id.example.com/",
            "https://ID.example.com",
            "https://id.example.com:443",
            "https://id.example.com/a/../b",
            "https://id.example.com/{x}",
            "https://id.example.com//x",
            "https://id.example.com?x",
            "https://u@id.example.com",
        ] {
            assert!(name_fault(bad).is_some(), "{bad}");
        }
    }
}
