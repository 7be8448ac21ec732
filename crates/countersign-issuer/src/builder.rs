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
use crate::rotation::KeyRing;
use crate::server::{Issuer, Parts};

/// How long a token lives by default (S8.11).
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// The longest life of a token that can be configured.
pub(crate) const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// How many Argon2id checks run side by side by default; each takes 19 MiB.
const CHECKS_AT_ONCE: usize = 4;

/// How long a successful check of a secret is remembered by default.
const REMEMBER_FOR: Duration = Duration::from_secs(300);

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

    /// Judges everything, makes a key and builds.
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
        let keys = KeyRing::new(self.algorithm, longest, Arc::clone(&self.clock))
            .map_err(|error| ConfigError::one("algorithm", error.to_string()))?;
        let secrets = SecretCheck::new(pepper?, self.checks_at_once, self.remember_for, Arc::clone(&self.clock))?;
        Issuer::assemble(Parts {
            base_path: Url::parse(&self.name)
                .map(|url| url.path().trim_end_matches('/').to_owned())
                .unwrap_or_default(),
            name: self.name,
            audiences: self.audiences,
            federations: self.federations,
            clients: self.clients.into_iter().collect::<Registry>(),
            token_lifetime: self.token_lifetime,
            clock: self.clock,
            keys: Arc::new(keys),
            secrets,
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
