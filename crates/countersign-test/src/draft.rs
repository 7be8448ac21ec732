//! A token to be, written as a sentence.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use serde_json::{Map, Value, json};

use crate::hostile::Attack;
use crate::issuer::TestIssuer;

/// How long a token lives that was not told.
const LIFE: Duration = Duration::from_secs(300);

/// How far beyond all leeway [`TokenDraft::expired`] and [`TokenDraft::not_yet_valid`] go.
const FAR: Duration = Duration::from_secs(3600);

/// A token to be, complete by RFC 9068 but for its audience.
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
#[must_use = "a draft is no token until it is signed"]
pub struct TokenDraft {
    pub(crate) issuer: TestIssuer,
    header: Map<String, Value>,
    headers_left_out: Vec<String>,
    claims: Map<String, Value>,
    attack: Option<Attack>,
}

impl TokenDraft {
    pub(crate) fn new(issuer: &TestIssuer) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let token_id = format!("test-token-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let draft = TokenDraft {
            issuer: issuer.clone(),
            header: Map::new(),
            headers_left_out: Vec::new(),
            claims: Map::new(),
            attack: None,
        };
        draft
            .claim("iss", issuer.name())
            .subject("test-subject")
            .client_id("test-client")
            .claim("jti", token_id)
            .lifetime(LIFE)
    }

    /// Whom it is about (`sub`).
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Which client asked for it (`client_id`).
    pub fn client_id(self, client_id: &str) -> Self {
        self.claim("client_id", client_id)
    }

    /// Whom it is for (`aud`); a second call adds a second audience.
    ///
    /// ```
    /// let draft = countersign_test::TestIssuer::new().token().audience("orders").audience("billing");
    /// assert_eq!(draft.claims()["aud"], serde_json::json!(["orders", "billing"]));
    /// ```
    pub fn audience(self, audience: &str) -> Self {
        let audiences = match self.claims.get("aud") {
            None => json!(audience),
            Some(Value::Array(several)) => several.iter().cloned().chain([json!(audience)]).collect(),
            Some(one) => json!([one, audience]),
        };
        self.claim("aud", audiences)
    }

    /// Allows `scope` too (`scope`, separated by blanks).
    pub fn scope(self, scope: &str) -> Self {
        let scopes = match self.claims.get("scope").and_then(Value::as_str) {
            None => scope.to_owned(),
            Some(others) => format!("{others} {scope}"),
        };
        self.claim("scope", scopes)
    }

    /// Gives a role too (`roles`, a list).
    pub fn role(self, role: &str) -> Self {
        self.listed("roles", role)
    }

    /// Gives a permission too (`permissions`, a list).
    pub fn permission(self, permission: &str) -> Self {
        self.listed("permissions", permission)
    }

    /// Puts the subject into a group too (`groups`, a list).
    pub fn group(self, group: &str) -> Self {
        self.listed("groups", group)
    }

    /// Whose data it opens (`tenant`).
    pub fn tenant(self, tenant: &str) -> Self {
        self.claim("tenant", tenant)
    }

    /// When its subject last proved who they are (`auth_time`): `ago` before now.
    pub fn authenticated(self, ago: Duration) -> Self {
        let at = self.now().saturating_sub(ago).as_secs();
        self.claim("auth_time", at)
    }

    /// Issued now, good for `life`.
    pub fn lifetime(self, life: Duration) -> Self {
        let now = self.now();
        self.claim("iat", now.as_secs()).claim("exp", now.saturating_add(life).as_secs())
    }

    /// Ended an hour ago, beyond any leeway.
    pub fn expired(self) -> Self {
        let ended = self.now().saturating_sub(FAR);
        self.claim("iat", ended.saturating_sub(LIFE).as_secs()).claim("exp", ended.as_secs())
    }

    /// Begins in an hour (`nbf`), beyond any leeway.
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
        self.claim("nbf", begins.as_secs()).claim("exp", begins.saturating_add(LIFE).as_secs())
    }

    /// Any claim, replacing one of that name.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    ///
    /// ```
    /// let draft = countersign_test::TestIssuer::new().token().without_claim("exp");
    /// assert!(!draft.claims().contains_key("exp"));
    /// ```
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Any header member, replacing one of that name; the signature stays that of the issuer's key.
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
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.headers_left_out.retain(|left_out| left_out != name);
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a header member out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self.headers_left_out.push(name.to_owned());
        self
    }

    /// Turns the token into a forgery of this kind when it is signed. See [`Attack`] for the loop over all of them.
    pub fn hostile(mut self, attack: Attack) -> Self {
        self.attack = Some(attack);
        self
    }

    /// The claims so far.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The token, signed by the issuer's present key, or forged as [`hostile`](Self::hostile) said.
    ///
    /// # Panics
    /// Where the key cannot sign, which a generated key always can.
    #[must_use]
    pub fn sign(&self) -> String {
        match self.attack {
            None => self.sign_honestly(),
            Some(attack) => attack.forge(self),
        }
    }

    pub(crate) fn sign_honestly(&self) -> String {
        let (header, claims) = (Value::Object(self.header_members()).to_string(), self.claims_json());
        self.issuer.signer().sign_compact(header.as_bytes(), claims.as_bytes()).expect("a generated key can sign")
    }

    /// `alg`, `kid` and `typ`, and what the test said otherwise.
    pub(crate) fn header_members(&self) -> Map<String, Value> {
        let signer = self.issuer.signer();
        let mut members = Map::new();
        members.insert("alg".to_owned(), json!(signer.algorithm().name()));
        members.insert("kid".to_owned(), json!(signer.key_id()));
        members.insert("typ".to_owned(), json!("at+jwt"));
        members.extend(self.header.clone());
        members.retain(|name, _| !self.headers_left_out.contains(name));
        members
    }

    pub(crate) fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.issuer.clock().now()
    }

    fn listed(self, name: &str, item: &str) -> Self {
        let mut items = self.claims.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        items.push(json!(item));
        self.claim(name, items)
    }
}

/// Names only: a test may run with claims of real people.
impl fmt::Debug for TokenDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.claims.keys().collect();
        f.debug_struct("TokenDraft").field("claims", &names).field("attack", &self.attack).finish_non_exhaustive()
    }
}
