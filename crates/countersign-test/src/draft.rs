//! A draft of one token.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use crate::identity::Identity;

/// The lifetime of a token if none is set.
const LIFETIME: Duration = Duration::from_secs(300);

/// The lifetime of a transaction token if none is set.
const TRANSACTION_LIFETIME: Duration = Duration::from_secs(60);

/// The distance of [`TokenDraft::expired`] and [`TokenDraft::not_yet_valid`] from now, beyond any leeway.
const FAR: Duration = Duration::from_secs(3600);

/// A draft of one token, complete by RFC 9068 except for its audience.
///
/// ```
/// use countersign_test::TestIssuer;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let issuer = TestIssuer::new();
/// let token = issuer
///     .token()
///     .subject("ann")
///     .audience("orders")
///     .scope("orders:read")
///     .role("manager")
///     .tenant("acme")
///     .claim("plan", "gold")
///     .sign();
/// let verified = issuer.verifier_for("orders").verify(&token).await.unwrap();
/// assert_eq!(verified.subject(), "ann");
/// assert_eq!(verified.tenant().unwrap().as_str(), "acme");
/// # });
/// ```
#[derive(Clone)]
#[must_use = "a draft is not a token until it is signed"]
pub struct TokenDraft {
    pub(crate) issuer: Identity,
    header: Map<String, Value>,
    omitted_headers: Vec<String>,
    claims: Map<String, Value>,
    forgery: Option<Forgery>,
}

/// A replacement for signing.
#[derive(Clone)]
struct Forgery {
    name: &'static str,
    forge: Arc<dyn Fn(&TokenDraft) -> String + Send + Sync>,
}

impl TokenDraft {
    pub(crate) fn new(issuer: &Identity) -> Self {
        let draft = Self::empty(issuer).subject("test-subject").client_id("test-client");
        draft.claim("jti", format!("test-token-{}", next_number())).lifetime(LIFETIME)
    }

    /// A transaction token without a trust domain and a scope.
    pub(crate) fn transaction(issuer: &Identity) -> Self {
        let draft = Self::empty(issuer).header("typ", "txntoken+jwt").subject("test-subject");
        let draft = draft.claim("txn", format!("test-transaction-{}", next_number()));
        draft.claim("req_wl", "test-workload").lifetime(TRANSACTION_LIFETIME)
    }

    fn empty(issuer: &Identity) -> Self {
        let draft = TokenDraft {
            issuer: issuer.clone(),
            header: Map::new(),
            omitted_headers: Vec::new(),
            claims: Map::new(),
            forgery: None,
        };
        draft.claim("iss", issuer.name.as_str())
    }

    /// The subject (`sub`).
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// The client that requested the token (`client_id`).
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        self.claim("client_id", client_id.into())
    }

    /// The audience (`aud`), in place of those before.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.claim("aud", audience.into())
    }

    /// Adds an audience (`aud` becomes a list).
    ///
    /// ```
    /// let draft = countersign_test::TestIssuer::new().token().audience("orders").add_audience("billing");
    /// assert_eq!(draft.claims()["aud"], serde_json::json!(["orders", "billing"]));
    /// ```
    pub fn add_audience(self, audience: impl Into<String>) -> Self {
        let audience = audience.into();
        let audiences = match self.claims.get("aud") {
            None => json!(audience),
            Some(Value::Array(several)) => several.iter().cloned().chain([json!(audience)]).collect(),
            Some(one) => json!([one, audience]),
        };
        self.claim("aud", audiences)
    }

    /// Adds a scope (`scope`, separated by spaces).
    pub fn scope(self, scope: impl Into<String>) -> Self {
        let scope = scope.into();
        let scopes = match self.claims.get("scope").and_then(Value::as_str) {
            None => scope,
            Some(others) => format!("{others} {scope}"),
        };
        self.claim("scope", scopes)
    }

    /// Adds a role (`roles`, a list).
    pub fn role(self, role: impl Into<String>) -> Self {
        self.push("roles", role.into())
    }

    /// Adds a permission (`permissions`, a list).
    pub fn permission(self, permission: impl Into<String>) -> Self {
        self.push("permissions", permission.into())
    }

    /// Adds a group (`groups`, a list).
    pub fn group(self, group: impl Into<String>) -> Self {
        self.push("groups", group.into())
    }

    /// The tenant (`tenant`).
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        self.claim("tenant", tenant.into())
    }

    /// The time of the subject's last authentication (`auth_time`): `ago` before now.
    pub fn authenticated(self, ago: Duration) -> Self {
        let at = self.now().saturating_sub(ago).as_secs();
        self.claim("auth_time", at)
    }

    /// The lifetime: issued now (`iat`), and expiring after it (`exp`).
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let now = self.now();
        self.claim("iat", now.as_secs()).claim("exp", now.saturating_add(lifetime).as_secs())
    }

    /// Expired an hour ago, beyond any leeway.
    pub fn expired(self) -> Self {
        let ended = self.now().saturating_sub(FAR);
        self.claim("iat", ended.saturating_sub(LIFETIME).as_secs()).claim("exp", ended.as_secs())
    }

    /// Valid from an hour from now (`nbf`), beyond any leeway.
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let issuer = TestIssuer::new();
    /// let token = issuer.token().audience("orders").not_yet_valid().sign();
    /// let refused = issuer.verifier_for("orders").verify(&token).await.unwrap_err();
    /// assert_eq!(refused.code(), "not_yet_valid");
    /// # });
    /// ```
    pub fn not_yet_valid(self) -> Self {
        let begins = self.now().saturating_add(FAR);
        self.claim("nbf", begins.as_secs()).claim("exp", begins.saturating_add(LIFETIME).as_secs())
    }

    /// Any claim, in place of one with this name.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Omits a claim.
    ///
    /// ```
    /// let draft = countersign_test::TestIssuer::new().token().without_claim("exp");
    /// assert!(!draft.claims().contains_key("exp"));
    /// ```
    pub fn without_claim(mut self, name: impl Into<String>) -> Self {
        self.claims.remove(&name.into());
        self
    }

    /// Any header member, in place of one with this name. The issuer's key still signs.
    ///
    /// ```
    /// use countersign_test::TestIssuer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let issuer = TestIssuer::new();
    /// let token = issuer.token().audience("orders").header("typ", "logout+jwt").sign();
    /// assert_eq!(issuer.verifier_for("orders").verify(&token).await.unwrap_err().code(), "wrong_type");
    /// # });
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let name = name.into();
        self.omitted_headers.retain(|omitted| *omitted != name);
        self.header.insert(name, value.into());
        self
    }

    /// Omits a header member.
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.header.remove(&name);
        self.omitted_headers.push(name);
        self
    }

    /// Makes [`sign`](Self::sign) return what `forge` makes of this draft.
    pub(crate) fn forged(
        mut self,
        name: &'static str,
        forge: impl Fn(&TokenDraft) -> String + Send + Sync + 'static,
    ) -> Self {
        self.forgery = Some(Forgery { name, forge: Arc::new(forge) });
        self
    }

    /// The claims so far.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The token, signed with the issuer's current key, or forged as set with [`hostile`](Self::hostile).
    ///
    /// # Panics
    /// If the key cannot sign; a generated key always can.
    #[must_use]
    pub fn sign(&self) -> String {
        match &self.forgery {
            None => self.sign_honestly(),
            Some(forgery) => (forgery.forge)(self),
        }
    }

    pub(crate) fn sign_honestly(&self) -> String {
        let (header, claims) = (Value::Object(self.header_members()).to_string(), self.claims_json());
        self.issuer.signer().sign_compact(header.as_bytes(), claims.as_bytes()).expect("a generated key can sign")
    }

    /// `alg`, `kid` and `typ`, with the changes of the test.
    pub(crate) fn header_members(&self) -> Map<String, Value> {
        let signer = self.issuer.signer();
        let mut members = Map::new();
        members.insert("alg".to_owned(), json!(signer.algorithm().name()));
        members.insert("kid".to_owned(), json!(signer.key_id()));
        members.insert("typ".to_owned(), json!("at+jwt"));
        members.extend(self.header.clone());
        members.retain(|name, _| !self.omitted_headers.contains(name));
        members
    }

    pub(crate) fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.issuer.now()
    }

    fn push(self, name: &str, item: impl Into<Value>) -> Self {
        let mut items = self.claims.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        items.push(item.into());
        self.claim(name, items)
    }
}

/// A number that no other token of this process has.
fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Names only: a test may use claims of real people.
impl fmt::Debug for TokenDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.claims.keys().collect();
        f.debug_struct("TokenDraft")
            .field("claims", &names)
            .field("forgery", &self.forgery.as_ref().map(|forgery| forgery.name))
            .finish_non_exhaustive()
    }
}
