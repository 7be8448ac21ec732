//! The settings of introspection.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_core::verify::Verifier;

use crate::client::{self, Assertion, Credential, SecretLocation, SecretSource};
use crate::fetch::{ConnectionSettings, Reach, checked_url_within, metadata_urls};
use crate::telemetry;

/// The longest use of an answer that a token is active.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The greatest such time that can be set.
const LONGEST_AGE: Duration = Duration::from_secs(600);

/// The longest use of any other answer.
const INACTIVE_AGE: Duration = Duration::from_secs(10);

/// The capacity of the cache of active tokens, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The most requests to the endpoint at the same time.
const MAX_CONCURRENT: u32 = 64;

/// The time limit of one request to the endpoint, and of the wait for its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest and the longest opaque token, in bytes.
const TOKEN_BYTES: (usize, usize) = (16, 4096);

/// The settings by which a layer asks an authorization server about opaque tokens; the [module](crate::introspect) has an example.
///
/// It names one of the verifier's issuers, whose rules apply to the answers, and the client as which it asks.
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    pub(super) issuer: String,
    pub(super) endpoint: Option<String>,
    pub(super) client: Option<(String, Credential)>,
    pub(super) secret_location: SecretLocation,
    pub(super) assertion_audience: Option<String>,
    pub(super) connection: ConnectionSettings,
    pub(super) reach: Reach,
    pub(super) absent_audience: Option<String>,
    pub(super) requires_signed: bool,
    pub(super) asks_about_signed: bool,
    pub(super) prefixes: Vec<String>,
    pub(super) token_bytes: (usize, usize),
    pub(super) max_age: Duration,
    pub(super) inactive_age: Duration,
    pub(super) cache_bytes: usize,
    pub(super) max_concurrent: u32,
    pub(super) timeout: Duration,
}

impl Introspection {
    /// Asks the endpoint in the metadata of this issuer, which the verifier trusts.
    pub fn at_issuer(issuer: impl Into<String>) -> Self {
        Introspection {
            issuer: issuer.into(),
            endpoint: None,
            client: None,
            secret_location: SecretLocation::Basic,
            assertion_audience: None,
            connection: ConnectionSettings::new(),
            reach: Reach::Anywhere,
            absent_audience: None,
            requires_signed: false,
            asks_about_signed: false,
            prefixes: Vec::new(),
            token_bytes: TOKEN_BYTES,
            max_age: MAX_AGE,
            inactive_age: INACTIVE_AGE,
            cache_bytes: CACHE_BYTES,
            max_concurrent: MAX_CONCURRENT,
            timeout: TIMEOUT,
        }
    }

    /// Asks this endpoint, such as the internal address of an issuer with a public name.
    ///
    /// It must be `https`; plain `http` is for loopback.
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        Introspection { endpoint: Some(url.into()), ..self }
    }

    /// The client and its secret, sent form-encoded in an `Authorization: Basic` header (RFC 6749 §2.3.1).
    ///
    /// [`Secret::from_file`](countersign_core::secret::Secret::from_file) names a file that is read again as it changes.
    pub fn client(self, id: impl Into<String>, secret: impl Into<SecretSource>) -> Self {
        Introspection { client: Some((id.into(), Credential::Secret(secret.into()))), ..self }
    }

    /// The client and its key, which signs a new assertion for each request (`private_key_jwt`, RFC 7523 §2.2).
    pub fn client_key(self, id: impl Into<String>, signer: impl Into<Arc<Signer>>) -> Self {
        let id = id.into();
        let assertion = Assertion::new(id.as_str(), id.as_str(), signer);
        self.client_assertion(id, assertion)
    }

    /// As [`client_key`](Self::client_key), with a key in a PKCS#8 PEM file that is read again as it changes.
    pub fn client_key_file(self, id: impl Into<String>, path: impl Into<PathBuf>, algorithm: Algorithm) -> Self {
        let id = id.into();
        let assertion = Assertion::with_key_file(id.as_str(), id.as_str(), path, algorithm);
        self.client_assertion(id, assertion)
    }

    /// The client and the assertion that authenticates it, such as a projected workload token that the server trusts.
    pub fn client_assertion(self, id: impl Into<String>, assertion: Assertion) -> Self {
        Introspection { client: Some((id.into(), Credential::Assertion(assertion))), ..self }
    }

    /// The client that the certificate of its [`connection`](Self::connection) authenticates (RFC 8705 §2).
    pub fn client_certificate(self, id: impl Into<String>) -> Self {
        Introspection { client: Some((id.into(), Credential::Certificate)), ..self }
    }

    /// Sends the secret in the body, for servers that do not support `Basic`.
    pub fn client_secret_post(self) -> Self {
        Introspection { secret_location: SecretLocation::Body, ..self }
    }

    /// Sends id and secret in `Basic` without form-encoding them, for servers that do not follow RFC 6749 here.
    pub fn raw_basic(self) -> Self {
        Introspection { secret_location: SecretLocation::RawBasic, ..self }
    }

    /// The audience of assertions signed here. Default: the issuer (RFC 10070).
    pub fn assertion_audience(self, audience: impl Into<String>) -> Self {
        Introspection { assertion_audience: Some(audience.into()), ..self }
    }

    /// The settings of the connections to the endpoint and for its discovery. Default: roots and proxy of the system.
    pub fn connection(self, settings: ConnectionSettings) -> Self {
        Introspection { connection: settings, ..self }
    }

    /// Allows plain HTTP off loopback: whoever is on the network path reads tokens and the client's secret, and can answer that
    /// any token is active.
    ///
    /// A warning is logged when a layer is built, and
    /// [`deny_danger`](countersign_core::verify::VerifierBuilder::deny_danger) forbids it.
    pub fn danger_allow_plain_http(self) -> Self {
        Introspection { reach: Reach::AnywhereInPlainHttp, ..self }
    }

    /// Takes an answer without `aud` for one about a token for `audience`, which the policy names.
    ///
    /// For servers that send no audience, if every token that they call active to this client is meant for this service.
    /// Without this setting such tokens are refused. An answer that names audiences is not changed. One that names none must have
    /// a `token_type`, because nothing else tells an access token from a refresh token.
    pub fn absent_audience(self, audience: impl Into<String>) -> Self {
        Introspection { absent_audience: Some(audience.into()), ..self }
    }

    /// Takes only answers that the issuer signed (RFC 9701), with a key and an algorithm that the policy accepts. The audience
    /// of an answer must be the client, or one that the policy names.
    ///
    /// An answer that is not signed, or for others, is not used: 503.
    pub fn require_signed_answers(self) -> Self {
        Introspection { requires_signed: true, ..self }
    }

    /// Also asks about each signed token of the issuer, after it was verified here: it is then refused within
    /// [`max_age`](Self::max_age) after its revocation. Signed tokens of other issuers are never sent.
    pub fn also_ask_about_signed_tokens(self) -> Self {
        Introspection { asks_about_signed: true, ..self }
    }

    /// Asks only about tokens that begin so, such as `ory_at_`; others are refused at once. Can be called several times.
    pub fn token_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// The length of opaque tokens, in bytes; others are refused at once. Default: from 16 to 4,096.
    pub fn token_bytes(self, shortest: usize, longest: usize) -> Self {
        Introspection { token_bytes: (shortest, longest), ..self }
    }

    /// The longest use of an answer that a token is active. Default: 60 s; at most 600 s.
    ///
    /// A revoked token is accepted for that long.
    pub fn max_age(self, age: Duration) -> Self {
        Introspection { max_age: age, ..self }
    }

    /// The longest use of an answer that a token is not active. Default: 10 s; at most 60 s.
    pub fn inactive_age(self, age: Duration) -> Self {
        Introspection { inactive_age: age, ..self }
    }

    /// The capacity of the cache of active tokens in bytes; 0 turns it off. Default 16 MiB. That of others has a sixteenth of it.
    pub fn cache_bytes(self, bytes: usize) -> Self {
        Introspection { cache_bytes: bytes, ..self }
    }

    /// The most requests to the endpoint at the same time. Default: 64. Tokens that were never good get at most half of them.
    pub fn max_concurrent(self, requests: u32) -> Self {
        Introspection { max_concurrent: requests, ..self }
    }

    /// The time limit of one request to the endpoint, and of a caller's wait for its answer. Default: 5 s; at most 30 s.
    pub fn timeout(self, limit: Duration) -> Self {
        Introspection { timeout: limit, ..self }
    }

    /// Passes on the clock, and returns the faults of all settings.
    pub(super) fn faults(&self, verifier: &Verifier) -> Vec<Fault> {
        let mut faults = Vec::new();
        let is_trusted = verifier.issuers().any(|issuer| issuer.issuer() == self.issuer);
        let mut fault = |bad: bool, field: &'static str, problem: &'static str| {
            if bad {
                faults.push(Fault::new(field, problem));
            }
        };
        let not_trusted = "the verifier does not trust the issuer of the introspection; name one of its issuers";
        fault(!is_trusted, "introspection", not_trusted);
        let is_zero = self.max_age.is_zero() || self.timeout.is_zero() || self.max_concurrent < 2;
        fault(is_zero, "introspection", "max_age or timeout is zero, or max_concurrent is below 2; raise it");
        let is_long =
            self.max_age > LONGEST_AGE || self.inactive_age > MAX_AGE || self.timeout > Duration::from_secs(30);
        fault(is_long, "introspection", "max_age is above 600 s, inactive_age above 60 s, or timeout above 30 s");
        let (shortest, longest) = self.token_bytes;
        let is_odd = shortest == 0 || shortest > longest || longest > 64 * 1024;
        fault(is_odd, "introspection", "token_bytes is not a range between 1 and 65536");
        let has_empty = self.absent_audience.as_ref().is_some_and(String::is_empty);
        fault(has_empty, "introspection", "absent_audience is empty; name the service");
        fault(self.prefixes.iter().any(String::is_empty), "introspection", "a token prefix is empty; remove it");
        let is_certificate = matches!(self.client, Some((_, Credential::Certificate)));
        fault(
            is_certificate && !self.connection.has_certificate(),
            "client",
            "no certificate in the connection's settings; set it with `connection`",
        );
        fault(self.client.is_none(), "client", "missing; give its id and its secret, key or certificate");
        if self.reach == Reach::AnywhereInPlainHttp {
            let denied = verifier.denies_danger();
            fault(denied, "danger", "danger_allow_plain_http is in use, and deny_danger forbids it");
            if !denied {
                telemetry::introspection_plain_http(&self.issuer);
            }
        }
        faults.extend(match &self.endpoint {
            Some(url) => checked_url_within(self.reach, url, "introspection_endpoint").err(),
            None => metadata_urls(self.reach, &self.issuer).err(),
        });
        faults.extend(self.connection.faults());
        if let Some((id, credential)) = &self.client {
            faults.extend(client::faults(id, credential, self.secret_location));
            faults.extend(credential.assertion().into_iter().flat_map(|assertion| assertion.attach(verifier.clock())));
        }
        faults
    }
}

/// Shows no secret.
impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.issuer)
            .field("client", &self.client.as_ref().map(|(id, _)| id))
            .finish_non_exhaustive()
    }
}
