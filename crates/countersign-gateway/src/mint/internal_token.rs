//! The settings of tokens that the gateway mints.

use std::collections::BTreeMap;
use std::fmt;

use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::{RegisteredClaim, safe_text};
use countersign_core::proof::ExternalUrl;
use countersign_issuer::Issuer;

/// The memory for minted tokens, of each swap, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The name of the gateway in its tokens, if none is set.
const CLIENT: &str = "gateway";

/// Claims besides the registered ones that are never copied: the gateway writes them, or they name another client or session.
const OWN_CLAIMS: [&str; 5] = ["may_act", "azp", "sid", "sub_is_client", "sub_id"];

/// The token that a caller's credential is swapped for, minted by an embedded issuer in this process (feature `issuer`).
///
/// It is an access token (RFC 9068) of the embedded issuer with one audience. Its subject is the caller's, its client and outermost
/// actor (`act`) is the gateway, and the actors of the caller's token are nested in that, each with its issuer. `sub_id` has the
/// issuer and the subject of the credential (RFC 9493 §3.2.4). It has the scopes that both the caller and the swap have, and lives
/// for 120 s at most, and never longer than the credential. Every kind of credential is swapped: signed and opaque tokens, cookies
/// and API keys.
///
/// In the embedded issuer all subjects are in one name space, so each issuer of callers has a prefix for its subjects. One of them may
/// have none. A caller of any other issuer is refused.
///
/// ```
/// use countersign_gateway::{InternalToken, Swap};
/// use countersign_issuer::{Audience, Issuer};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000")
///     .add_audience(Audience::new("orders").scopes(["orders:read", "orders:write"]))
///     .build()?;
/// let token = InternalToken::new(&issuer, "orders")
///     .scopes(["orders:read"])
///     .subjects_of("https://id.example.com", "")
///     .subjects_of("https://shop.example.com/api-keys", "key:");
/// let swap = Swap::minted("/orders", token)?;
/// # let _ = swap;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct InternalToken {
    pub(super) issuer: Issuer,
    pub(super) audience: String,
    pub(super) client: String,
    pub(super) scopes: Vec<String>,
    /// The prefix of the subjects of each issuer.
    pub(super) subjects: BTreeMap<String, String>,
    pub(super) copied_claims: Vec<String>,
    /// The origin of the next service, if tokens are bound to a key of the gateway.
    pub(super) bound_for: Option<String>,
    pub(super) cache_bytes: usize,
}

impl InternalToken {
    /// Tokens of this issuer for this audience of it, which is the next service.
    pub fn new(issuer: &Issuer, audience: impl Into<String>) -> Self {
        InternalToken {
            issuer: issuer.clone(),
            audience: audience.into(),
            client: CLIENT.to_owned(),
            scopes: Vec::new(),
            subjects: BTreeMap::new(),
            copied_claims: Vec::new(),
            bound_for: None,
            cache_bytes: CACHE_BYTES,
        }
    }

    /// The name of the gateway: the client of the tokens, and their actor. Default: `gateway`.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// The scopes that the tokens may have. Default: none. A token has those of them that the caller has.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Swaps credentials of this issuer, whose subjects get this prefix. Empty for one issuer, all of whose names are kept as they are.
    pub fn subjects_of(mut self, issuer: impl Into<String>, prefix: impl Into<String>) -> Self {
        self.subjects.insert(issuer.into(), prefix.into());
        self
    }

    /// Claims to copy from the caller's credential, such as `roles`. Default: only `acr` and `auth_time`, which step-up needs.
    ///
    /// They are copied from the issuer without a prefix ([`subjects_of`](Self::subjects_of)), or from the only one. Credentials of
    /// others give `auth_time` and `tenant`, which stands for the tenant by the policy's mapping: another issuer may use the name of a
    /// role or of an authentication context for something else.
    pub fn copied_claims<N: Into<String>>(mut self, claims: impl IntoIterator<Item = N>) -> Self {
        self.copied_claims = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Binds the tokens to a key that the gateway makes for itself (DPoP, RFC 9449), and adds a proof for each request to this origin,
    /// which is that of the next service. Only so a credential that is bound to a key is swapped: its sender has proven possession at
    /// the gateway, and the new token must not become one that works for everybody.
    pub fn bound_for(mut self, origin: impl Into<String>) -> Self {
        self.bound_for = Some(origin.into());
        self
    }

    /// The memory for tokens, in bytes. Default 16 MiB; with 0 each request gets a new one.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Checks the settings.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let mut fault = |field: &'static str, problem: String| faults.push(Fault::new(field, problem));
        match self.issuer.scopes_of(&self.audience) {
            None => fault("audience", "not one of the embedded issuer; add it there".to_owned()),
            Some(known) => {
                let known: Vec<&str> = known.collect();
                for scope in self.scopes.iter().filter(|scope| !known.contains(&scope.as_str())) {
                    fault("scopes", format!("{}: the audience does not have it; add it there", safe_text(scope)));
                }
            }
        }
        if self.client.is_empty() {
            fault("client", "empty; name the gateway".to_owned());
        }
        if self.subjects.is_empty() {
            fault("subjects", "no issuer; name those of callers, with prefixes for their subjects".to_owned());
        }
        let prefixes: Vec<&str> = self.subjects.values().map(String::as_str).collect();
        let meets = |(index, prefix): (usize, &&str)| {
            let mut others = prefixes.iter().enumerate().filter(|(other, _)| *other != index);
            others.any(|(_, other)| if prefix.is_empty() { other.is_empty() } else { other.starts_with(*prefix) })
        };
        if prefixes.iter().enumerate().any(meets) {
            let problem = "a prefix begins another one, so that names of two issuers could be equal; choose others";
            fault("subjects", problem.to_owned());
        }
        for name in self.copied_claims.iter().filter(|name| is_own(name)) {
            fault("copied_claims", format!("{}: the gateway writes it itself; remove it", safe_text(name)));
        }
        let is_origin = |origin: &String| ExternalUrl::new(origin).is_ok_and(|url| !has_path(url.as_str()));
        if self.bound_for.as_ref().is_some_and(|origin| !is_origin(origin)) {
            let problem = "not scheme, host and port of the next service; write one such as https://orders.internal";
            fault("origin", problem.to_owned());
        }
        ConfigError::check(faults)
    }
}

/// Returns whether the claim is one that the gateway decides itself.
fn is_own(name: &str) -> bool {
    use RegisteredClaim::{AuthenticationContext, AuthenticationMethods, AuthenticationTime};
    let is_copyable = |claim| matches!(claim, AuthenticationContext | AuthenticationMethods | AuthenticationTime);
    name.is_empty()
        || OWN_CLAIMS.contains(&name)
        || RegisteredClaim::from_name(name).is_some_and(|claim| !is_copyable(claim))
}

fn has_path(url: &str) -> bool {
    url.split_once("://").is_none_or(|(_, rest)| rest.contains('/'))
}

impl fmt::Debug for InternalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalToken").field("audience", &self.audience).finish_non_exhaustive()
    }
}
