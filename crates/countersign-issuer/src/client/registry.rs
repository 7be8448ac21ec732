//! Clients and what each is allowed. Nothing is allowed that is not named.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use countersign_core::claims::TenantId;
use countersign_core::error::Fault;
use countersign_core::secret::Secret;

use super::secret::SecretHash;
use crate::grant::Grant;
use crate::policy::{Audience, ExchangeRule, ScopeSet, is_scope};

/// The longest client id, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// The most keyed secrets of a client: one in use, and those of a change.
const MAX_KEYED_SECRETS: usize = 4;

/// A secret for a client: stored form, or the secret itself, which is then hashed when the issuer is built.
#[derive(Clone, Debug)]
#[must_use]
pub enum ClientSecret {
    /// As it is stored.
    Hash(SecretHash),
    /// As somebody chose it, 16 bytes at least; for tests and examples, since code is no place for secrets.
    Plain(Secret<String>),
}

impl From<SecretHash> for ClientSecret {
    fn from(hash: SecretHash) -> Self {
        ClientSecret::Hash(hash)
    }
}

impl From<Secret<String>> for ClientSecret {
    fn from(secret: Secret<String>) -> Self {
        ClientSecret::Plain(secret)
    }
}

/// A service that asks for tokens.
///
/// ```
/// use countersign_issuer::{Client, ExchangeRule, SecretHash};
///
/// let (shown_once, stored) = SecretHash::generate()?;
/// let orders = Client::new("orders")
///     .secret(stored)
///     .audiences(["billing", "stock"])
///     .default_audience("billing")
///     .scopes(["invoices:read", "stock:read"])
///     .may_exchange(ExchangeRule::towards(["billing"]));
/// # let _ = (shown_once, orders);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Client {
    id: String,
    plain: Vec<Secret<String>>,
    pub(super) hashes: Vec<SecretHash>,
    pub(crate) jwks: Option<Vec<u8>>,
    pub(crate) grants: BTreeSet<Grant>,
    pub(crate) audiences: Vec<String>,
    default_audience: Option<String>,
    pub(crate) scopes: ScopeSet,
    pub(crate) exchange_rules: Vec<ExchangeRule>,
    pub(crate) tenant: Option<TenantId>,
    introspects: Vec<String>,
    is_locked: bool,
}

impl Client {
    /// A client that may use the client credentials grant, and is allowed nothing yet.
    pub fn new(id: impl Into<String>) -> Self {
        Client {
            id: id.into(),
            plain: Vec::new(),
            hashes: Vec::new(),
            jwks: None,
            introspects: Vec::new(),
            grants: BTreeSet::from([Grant::ClientCredentials]),
            audiences: Vec::new(),
            default_audience: None,
            scopes: ScopeSet::default(),
            exchange_rules: Vec::new(),
            tenant: None,
            is_locked: false,
        }
    }

    /// A secret that proves who it is. A client has at most one that is kept as Argon2id or bcrypt, and four that are kept under a
    /// pepper: a second lets it change over without a pause.
    pub fn secret(mut self, secret: impl Into<ClientSecret>) -> Self {
        match secret.into() {
            ClientSecret::Hash(hash) => self.hashes.push(hash),
            ClientSecret::Plain(secret) => self.plain.push(secret),
        }
        self
    }

    /// The public keys (a JWK Set, RFC 7517 §5) that check its assertions, so that it needs no secret (`private_key_jwt`).
    pub fn public_keys(mut self, jwks: impl Into<Vec<u8>>) -> Self {
        self.jwks = Some(jwks.into());
        self
    }

    /// Lets it look into tokens for these audiences (introspection). Default: those made for its own id, or by it.
    pub fn may_introspect<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.introspects.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// Allows exactly these grants. Default: client credentials; [`may_exchange`](Self::may_exchange) adds its own.
    pub fn grants(mut self, grants: impl IntoIterator<Item = Grant>) -> Self {
        self.grants = grants.into_iter().collect();
        self
    }

    /// Allows tokens for these audiences. A request that names none gets the only one, or the default one.
    pub fn audiences<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.audiences.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// The audience of a request that names none. Default: the client's only one; of several, none.
    pub fn default_audience(mut self, audience: impl Into<String>) -> Self {
        self.default_audience = Some(audience.into());
        self
    }

    /// Allows these scopes, each at the audiences that know it.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.0.extend(scopes.into_iter().map(|scope| scope.into().into_boxed_str()));
        self
    }

    /// Lets it act for its callers, as `rule` says; may be said again for more.
    pub fn may_exchange(mut self, mut rule: ExchangeRule) -> Self {
        if rule.tokens_for.is_empty() {
            rule.tokens_for.push(self.id.clone());
        }
        self.grants.insert(Grant::TokenExchange);
        self.exchange_rules.push(rule);
        self
    }

    /// Belongs to this tenant: its tokens say so (`tenant`), and it acts on tokens of this tenant alone.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Lets it in no more, and tells nobody why: a locked client looks like an unknown one.
    pub fn locked(mut self) -> Self {
        self.is_locked = true;
        self
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn may_see(&self, audience: &str) -> bool {
        self.introspects.iter().any(|name| name == audience)
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// The audience of a request that names none.
    pub(crate) fn audience_by_default(&self) -> Option<&str> {
        match (&self.default_audience, self.audiences.as_slice()) {
            (Some(default), _) => Some(default),
            (None, [only]) => Some(only),
            _ => None,
        }
    }

    /// Hashes the secrets that were given plainly; their faults come back.
    pub(crate) fn hash_secrets(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for plain in std::mem::take(&mut self.plain) {
            match SecretHash::of(&plain) {
                Ok(hash) => self.hashes.push(hash),
                Err(error) => {
                    faults.extend(error.faults().iter().map(|fault| self.fault("secret", fault.problem.clone())));
                }
            }
        }
        faults
    }

    /// Everything that forbids serving with this client, given the issuer's audiences and whether it has a pepper, and
    /// whether another issuer's token may prove who this client is.
    pub(crate) fn faults(&self, audiences: &[Audience], has_pepper: bool, is_federated: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field, problem: &'static str| faults.push(self.fault(field, problem.into()));
        let is_fine = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !(1..=MAX_CLIENT_ID_BYTES).contains(&self.id.len()) || !self.id.bytes().all(is_fine) {
            fault("id", "not 1 to 256 printable ASCII characters");
        }
        let keyed = self.hashes.iter().filter(|hash| hash.keyed().is_some()).count();
        let slow = self.hashes.len().saturating_add(self.plain.len()).saturating_sub(keyed);
        if keyed != 0 && !has_pepper {
            fault("secret", "kept under a pepper, and the issuer has none; give it `.pepper(…)`");
        }
        // A second Argon2id check would cost twice the time, and so tell known clients from unknown ones.
        if slow > 1 || keyed > MAX_KEYED_SECRETS {
            fault("secret", "more than one kept as Argon2id or bcrypt, or more than four under the pepper");
        }
        if slow + keyed == 0 && self.jwks.is_none() && !is_federated {
            fault("secret", "neither a secret nor public keys; the client could never prove who it is");
        }
        if self.grants.is_empty() {
            fault("grants", "none; the client could ask for nothing");
        }
        if self.grants.contains(&Grant::TokenExchange) && self.exchange_rules.is_empty() {
            fault("grants", "token exchange without a rule; add `.may_exchange(…)`");
        }
        if self.scopes.0.iter().any(|scope| !is_scope(scope)) {
            fault("scopes", "a scope is empty or has blanks, quotes or characters that are not ASCII");
        }
        let known = |name: &String| audiences.iter().any(|audience| audience.name() == name);
        let own = |name: &String| self.audiences.contains(name);
        if !self.audiences.iter().all(known) {
            fault("audiences", "names one that the issuer does not know; add `.audience(…)` to the issuer");
        }
        if self.default_audience.as_ref().is_some_and(|name| !own(name)) {
            fault("default_audience", "is none of the client's audiences");
        }
        if !self.exchange_rules.iter().flat_map(|rule| &rule.towards).all(own) {
            fault("may_exchange", "names a target that is none of the client's audiences");
        }
        let reachable = |scope: &str| {
            audiences.iter().any(|audience| own(&audience.name().to_owned()) && audience.scopes.0.contains(scope))
        };
        let of_rules = self.exchange_rules.iter().filter_map(|rule| rule.scopes.as_ref()).flat_map(|scopes| &scopes.0);
        if !self.scopes.0.iter().chain(of_rules).map(AsRef::as_ref).all(reachable) {
            fault("scopes", "names a scope that none of the client's audiences knows");
        }
        faults.extend(self.exchange_rules.iter().flat_map(|rule| rule.faults(&self.id)));
        faults
    }

    fn fault(&self, field: &str, problem: std::borrow::Cow<'static, str>) -> Fault {
        Fault::new(format!("client {}: {field}", self.id.escape_debug()), problem)
    }
}

/// The clients by id.
#[derive(Debug, Default)]
pub(crate) struct Registry(HashMap<Box<str>, Arc<Client>>);

impl Registry {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.0.values()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Client>> {
        self.0.get(id)
    }
}

impl FromIterator<Client> for Registry {
    fn from_iter<I: IntoIterator<Item = Client>>(clients: I) -> Self {
        Registry(clients.into_iter().map(|client| (client.id().into(), Arc::new(client))).collect())
    }
}
