//! The registration of a client. It allows nothing that is not named.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::claims::TenantId;
use countersign_core::error::Fault;
use countersign_core::key::{KeySource, Thumbprint};
use countersign_core::secret::Secret;

use super::certificate_name::CertificateName;
use super::public_keys::PublicKeys;
use super::secret::SecretHash;
use crate::policy::{ExchangeRule, Grant, ScopeSet, TransactionRule};

/// A secret of a client: its stored hash, or the secret itself, which is hashed when the issuer is built.
///
/// ```
/// use countersign_core::secret::Secret;
/// use countersign_issuer::{Client, ClientSecret, SecretHash};
///
/// let (_, stored) = SecretHash::generate()?;
/// let orders = Client::new("orders").secret(stored); // a `ClientSecret::Hash`
/// let local = Client::new("local").secret(Secret::from("quaint-heron-lifts-49")); // a `ClientSecret::Plain`
/// # let _ = (orders, local, ClientSecret::Plain(Secret::from("")));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum ClientSecret {
    /// The stored hash.
    Hash(SecretHash),
    /// A secret of at least 16 bytes, for tests and examples. Do not write secrets in code.
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

/// A service that requests tokens.
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
///     .add_exchange_rule(ExchangeRule::new(["billing"]));
/// # let _ = (shown_once, orders);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Client {
    id: String,
    plain: Vec<Secret<String>>,
    pub(super) hashes: Vec<SecretHash>,
    pub(crate) public_keys: Option<PublicKeys>,
    pub(crate) certificates: Vec<Thumbprint>,
    pub(crate) certificate_name: Option<CertificateName>,
    pub(crate) grants: BTreeSet<Grant>,
    pub(crate) audiences: Vec<String>,
    pub(super) default_audience: Option<String>,
    pub(crate) scopes: ScopeSet,
    pub(crate) exchange_rules: Vec<ExchangeRule>,
    pub(crate) transaction_rules: Vec<TransactionRule>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) dpop_bound_access_tokens: bool,
    pub(crate) certificate_bound_access_tokens: bool,
    introspected_audiences: Vec<String>,
    is_locked: bool,
}

impl Client {
    /// A client that may use the client credentials grant, without audiences and scopes.
    pub fn new(id: impl Into<String>) -> Self {
        Client {
            id: id.into(),
            plain: Vec::new(),
            hashes: Vec::new(),
            public_keys: None,
            certificates: Vec::new(),
            certificate_name: None,
            introspected_audiences: Vec::new(),
            grants: BTreeSet::from([Grant::ClientCredentials]),
            audiences: Vec::new(),
            default_audience: None,
            scopes: ScopeSet::default(),
            exchange_rules: Vec::new(),
            transaction_rules: Vec::new(),
            tenant: None,
            dpop_bound_access_tokens: false,
            certificate_bound_access_tokens: false,
            is_locked: false,
        }
    }

    /// The secret of the client, in place of others. Default: none.
    pub fn secret(mut self, secret: impl Into<ClientSecret>) -> Self {
        self.plain.clear();
        self.hashes.clear();
        self.add_secret(secret)
    }

    /// Adds a secret, so that a client can change to it without a pause. A client has at most one secret with an Argon2id or
    /// bcrypt hash, and at most four with a keyed hash.
    pub fn add_secret(mut self, secret: impl Into<ClientSecret>) -> Self {
        match secret.into() {
            ClientSecret::Hash(hash) => self.hashes.push(hash),
            ClientSecret::Plain(secret) => self.plain.push(secret),
        }
        self
    }

    /// The public keys (a JWK Set, RFC 7517 §5) that verify its assertions (`private_key_jwt`). It then needs no secret.
    pub fn public_keys(mut self, jwks: impl Into<Vec<u8>>) -> Self {
        self.public_keys = Some(PublicKeys::Set(jwks.into()));
        self
    }

    /// A source of the public keys that verify its assertions, in place of [`public_keys`](Self::public_keys), such as
    /// `FileKeys` of the crate `countersign`, which reads a file again as it changes. While the source has no keys, or cannot
    /// look for a new one yet, the client gets 503.
    pub fn key_source(mut self, keys: Arc<dyn KeySource>) -> Self {
        self.public_keys = Some(PublicKeys::Source(keys));
        self
    }

    /// The certificates that authenticate it (`self_signed_tls_client_auth`, RFC 8705 §2.2), each by its SHA-256; several, so that
    /// it can change its certificate without a pause. It then needs no secret. Default: none.
    ///
    /// The client connects with one of them and sends its `client_id`. Neither the signature nor the expiry of a certificate is
    /// checked: who has its key is the client, until the registration changes. The issuer learns of the certificate as
    /// [`Issuer::router`](crate::Issuer::router) says.
    ///
    /// ```
    /// use countersign_core::key::Thumbprint;
    /// use countersign_issuer::Client;
    ///
    /// // openssl x509 -in orders.pem -outform der | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
    /// let own = Thumbprint::from_base64url("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").unwrap();
    /// let orders = Client::new("orders").certificates([own]).audiences(["billing"]);
    /// # let _ = orders;
    /// ```
    pub fn certificates(mut self, certificates: impl IntoIterator<Item = Thumbprint>) -> Self {
        self.certificates = certificates.into_iter().collect();
        self
    }

    /// The name in its certificate that authenticates it (`tls_client_auth`, RFC 8705 §2.1), in place of
    /// [`certificates`](Self::certificates). It then needs no secret, and a renewed certificate needs no registration. Default: none.
    ///
    /// The client connects with such a certificate and sends its `client_id`. The name counts only in a certificate whose chain the TLS
    /// layer verified up to a configured authority ([`VerifiedCertificate`](countersign_core::proof::VerifiedCertificate)): with
    /// `ClientCertificates::SignedBy` of `countersign::tls`, or behind a proxy with `MutualTls::verified_by_proxy`. A self-signed one
    /// with the same name is refused. The dates of the certificate are checked again by the issuer's clock.
    ///
    /// ```
    /// use countersign_issuer::{CertificateName, Client};
    ///
    /// let orders = Client::new("orders").certificate_name(CertificateName::dns("orders.shop.example")).audiences(["billing"]);
    /// # let _ = orders;
    /// ```
    pub fn certificate_name(mut self, name: CertificateName) -> Self {
        self.certificate_name = Some(name);
        self
    }

    /// More audiences of tokens that it may introspect. It always may introspect tokens for or by itself. Default: none.
    pub fn introspected_audiences<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.introspected_audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// The allowed grants. Default: client credentials. [`add_exchange_rule`](Self::add_exchange_rule) adds token exchange.
    pub fn grants(mut self, grants: impl IntoIterator<Item = Grant>) -> Self {
        self.grants = grants.into_iter().collect();
        self
    }

    /// The audiences that it may request tokens for. Default: none.
    pub fn audiences<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// The audience of a request that names none. Default: the client's audience if it has only one.
    pub fn default_audience(mut self, audience: impl Into<String>) -> Self {
        self.default_audience = Some(audience.into());
        self
    }

    /// The scopes that it may request, each at the audiences that know it. Default: none.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = ScopeSet::from_names(scopes);
        self
    }

    /// Lets it exchange tokens of its callers, as `rule` allows.
    pub fn add_exchange_rule(mut self, mut rule: ExchangeRule) -> Self {
        if rule.subject_audiences.is_empty() {
            rule.subject_audiences.push(self.id.clone());
        }
        self.grants.insert(Grant::TokenExchange);
        self.exchange_rules.push(rule);
        self
    }

    /// Lets it request transaction tokens, as `rule` allows: one rule for each trust domain.
    #[cfg(feature = "txn")]
    pub fn add_transaction_rule(mut self, mut rule: TransactionRule) -> Self {
        if rule.subject_audiences.is_empty() {
            rule.subject_audiences.push(self.id.clone());
        }
        self.grants.insert(Grant::TokenExchange);
        self.transaction_rules.push(rule);
        self
    }

    /// The tenant of the client. Its tokens carry it (`tenant`), and it exchanges only tokens of this tenant.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Demands a proof of possession (DPoP) with each token request, so that all its tokens are bound to a key (RFC 9449 §5.2).
    /// Default: without a proof, it gets a bearer token.
    pub fn dpop_bound_access_tokens(mut self) -> Self {
        self.dpop_bound_access_tokens = true;
        self
    }

    /// Binds all its tokens to the certificate of the connection on which it requests them (RFC 8705 §3), and refuses requests
    /// without one. Default: a certificate does not bind tokens.
    ///
    /// It may be any certificate whose key the client has; [`certificates`](Self::certificates) is needed only if it authenticates
    /// the client. The issuer learns of the certificate as [`Issuer::router`](crate::Issuer::router) says.
    pub fn certificate_bound_access_tokens(mut self) -> Self {
        self.certificate_bound_access_tokens = true;
        self
    }

    /// Refuses every request of the client, as if it were unknown.
    pub fn locked(mut self) -> Self {
        self.is_locked = true;
        self
    }

    /// The client id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn may_introspect(&self, audience: &str) -> bool {
        self.introspected_audiences.iter().any(|name| name == audience)
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// The audience of a request that names none.
    pub(crate) fn effective_default_audience(&self) -> Option<&str> {
        match (&self.default_audience, self.audiences.as_slice()) {
            (Some(default), _) => Some(default),
            (None, [only]) => Some(only),
            _ => None,
        }
    }

    /// Hashes plain secrets and returns the faults of those that are refused.
    pub(crate) fn hash_secrets(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for plain in std::mem::take(&mut self.plain) {
            match SecretHash::new(&plain) {
                Ok(hash) => self.hashes.push(hash),
                Err(error) => {
                    faults.extend(error.faults().iter().map(|fault| self.fault("secret", fault.problem.clone())));
                }
            }
        }
        faults
    }

    pub(super) fn plain_secrets(&self) -> usize {
        self.plain.len()
    }

    pub(super) fn fault(&self, field: &str, problem: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
        Fault::new(format!("client {}: {field}", self.id.escape_debug()), problem)
    }
}
