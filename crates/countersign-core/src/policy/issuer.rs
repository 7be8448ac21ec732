//! A trusted issuer and the rules for its tokens.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::loopback::is_loopback;
use super::{ACCESS_TOKEN_MAX_LIFETIME, LEEWAY, MAX_LEEWAY, Profile, StatusListRules, spiffe};
use crate::authz::Authorities;
use crate::error::Fault;
use crate::key::{Algorithm, KeySource, SourceContext};
use crate::redact::safe_text;
use crate::token::{RegisteredClaim, TokenKind, TokenKinds, TokenType};

/// An issuer without an audience; it becomes usable when one is named.
///
/// ```compile_fail
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])));
/// let verifier = Verifier::new(issuer); // expected `TrustedIssuer`, found `NeedsAudience`
/// ```
#[derive(Debug)]
#[must_use = "name the audience: `.audience(\"your-service\")`"]
pub struct NeedsAudience(TrustedIssuer);

impl NeedsAudience {
    /// Trusts tokens whose `iss` is exactly `issuer`, signed by a key of `keys`.
    ///
    /// An issuer such as `spiffe://shop.example` is a SPIFFE trust domain. Its tokens (JWT-SVIDs) may have no `iss`: their `sub`
    /// then names the trust domain. It must do so in any case; see [`TrustedIssuer::spiffe_trust_domain`].
    pub fn new(issuer: impl Into<String>, keys: Arc<dyn KeySource>) -> Self {
        let issuer = issuer.into();
        NeedsAudience(TrustedIssuer {
            trust_domain: spiffe::domain_of_id(&issuer).map(str::to_owned),
            issuer,
            audiences: Vec::new(),
            any_audience: false,
            keys,
            algorithms: Algorithm::DEFAULT.to_vec(),
            unlabelled_rsa: Algorithm::RS256,
            profile: Profile::default(),
            token_types: Vec::new(),
            any_type: false,
            leeway: LEEWAY,
            max_lifetime: None,
            max_age: None,
            required: Vec::new(),
            required_values: Vec::new(),
            allowed_values: Vec::new(),
            refused_subject_prefixes: Vec::new(),
            allowed_clients: Vec::new(),
            client_required: false,
            client_id_for_absent_audience: false,
            kind_claim: None,
            nonce_allowed: false,
            authorities: Authorities::new(),
            plain_http_allowed: false,
            proof_required: false,
            status_lists: None,
            transactions: None,
            is_resolved: false,
            is_only_issuer: false,
            identity_claims: Arc::default(),
        })
    }

    /// Names the service that tokens must be made for, exactly as in their `aud`.
    pub fn audience(self, audience: impl Into<String>) -> TrustedIssuer {
        self.0.add_audience(audience)
    }

    pub(super) fn any_audience(mut self) -> TrustedIssuer {
        self.0.any_audience = true;
        self.0
    }
}

/// An issuer, the accepted audiences, and the rules for its tokens.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::key::{Algorithm, StaticKeys};
/// use countersign_core::policy::{NeedsAudience, Profile};
///
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])))
///     .audience("orders")
///     .algorithms([Algorithm::ES256])
///     .profile(Profile::AccessToken);
/// # let _ = issuer;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedIssuer {
    pub(crate) issuer: String,
    /// The SPIFFE trust domain that all subjects must belong to.
    pub(crate) trust_domain: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) any_audience: bool,
    pub(crate) keys: Arc<dyn KeySource>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) unlabelled_rsa: Algorithm,
    pub(crate) profile: Profile,
    pub(crate) token_types: Vec<String>,
    any_type: bool,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) required: Vec<String>,
    pub(crate) required_values: Vec<(String, String)>,
    pub(crate) allowed_values: Vec<(String, Vec<String>)>,
    pub(crate) refused_subject_prefixes: Vec<String>,
    pub(crate) allowed_clients: Vec<String>,
    pub(crate) client_required: bool,
    pub(crate) client_id_for_absent_audience: bool,
    /// The claim by which the issuer marks access tokens, and its values.
    pub(crate) kind_claim: Option<(String, Vec<String>)>,
    pub(crate) nonce_allowed: bool,
    pub(crate) authorities: Authorities,
    plain_http_allowed: bool,
    pub(crate) proof_required: bool,
    pub(crate) status_lists: Option<Arc<StatusListRules>>,
    /// The further rules if the issuer is a transaction token service.
    pub(crate) transactions: Option<TransactionRules>,
    /// Set if an [`IssuerSource`](super::IssuerSource) resolved the issuer by name at run time.
    pub(crate) is_resolved: bool,
    /// Set if the verifier trusts no other issuer.
    pub(crate) is_only_issuer: bool,
    /// The claims that [tell who calls](Self::naming_claims) at any configured issuer; of a resolved issuer, only its own.
    pub(crate) identity_claims: Arc<Vec<Box<str>>>,
}

/// The rules for transaction tokens beyond those for every token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransactionRules {
    /// True if the policy names the issuer, so that tokens must name it too.
    pub(crate) has_issuer: bool,
}

impl TrustedIssuer {
    /// Accepts tokens for only this audience, replacing those named before.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences = vec![audience.into()];
        self
    }

    /// Also accepts tokens for this audience.
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Allows exactly these algorithms, all symmetric or all asymmetric.
    ///
    /// Default: [`Algorithm::DEFAULT`].
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The algorithm of RSA keys without `alg`. Default: RS256.
    ///
    /// A key with an `alg` keeps its own algorithm.
    pub fn algorithm_of_unlabelled_rsa_keys(mut self, algorithm: Algorithm) -> Self {
        self.unlabelled_rsa = algorithm;
        self
    }

    /// The kind of token that is accepted. Default: [`Profile::Compatible`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Also accepts tokens of this `typ`; with [`Profile::Named`], only of the types named here.
    ///
    /// `name` is a media type without `application/`; case does not matter (RFC 7515 §4.1.9). `JWT` stands for ID tokens with
    /// [`Profile::Named`], and for access tokens with the others. A `JWT` with a claim of access tokens (`scope`, `scp`,
    /// `client_id`, or one by which a provider names the client) is an ID token only if another claim says so, such as `nonce`
    /// or `at_hash`.
    ///
    /// An issuer that signs tokens about itself, with equal `sub` and `iss` and without `client_id`, writes client assertions
    /// (RFC 7523): name `client-authentication+jwt` to accept them, also if their `typ` is `JWT` or absent.
    pub fn token_type(mut self, name: impl Into<String>) -> Self {
        self.token_types.push(name.into());
        self
    }

    /// The tolerated difference between clocks. Default: 30 s; at most 300 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest accepted `exp - iat`. Default: 24 h in the RFC 9068 profile, otherwise unbounded.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// The greatest accepted age, counted from `iat`, which is then required. Default: unbounded.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Requires a top-level claim to be present, with any value.
    pub fn required_claim(mut self, name: impl Into<String>) -> Self {
        self.required.push(name.into());
        self
    }

    /// Requires a top-level claim to be exactly this string.
    ///
    /// For example the tenant, if the issuer serves several. The tenant claim of the mapping is then pinned: with several trusted
    /// issuers, none of the others may name that tenant, as with [`Authorities::tenant`].
    pub fn required_claim_value(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.required_values.push((name.into(), value.into()));
        self
    }

    /// Requires a top-level claim to be one of these strings, in place of those named before for this claim.
    ///
    /// For issuers that sign tokens for everybody, such as those of hosted build services: name the owners that you know, by
    /// id.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    ///
    /// let issuer = NeedsAudience::new("https://ci.example.com", Arc::new(StaticKeys::new([])))
    ///     .audience("orders")
    ///     .allowed_claim_values("owner_id", ["4711", "4712"]);
    /// # let _ = issuer;
    /// ```
    pub fn allowed_claim_values(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let name = name.into();
        self.allowed_values.retain(|(known, _)| *known != name);
        self.allowed_values.push((name, values.into_iter().map(Into::into).collect()));
        self
    }

    /// Refuses subjects that begin with `prefix`, and tokens that name such a subject as actor or client.
    ///
    /// Keeps an outside issuer from naming internal services.
    pub fn refused_subject_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.refused_subject_prefixes.push(prefix.into());
        self
    }

    /// Accepts only SPIFFE IDs of this trust domain as subjects: `spiffe://shop.example/billing` with `shop.example`.
    ///
    /// For an issuer whose JWT-SVIDs have an `iss`, such as the OpenID Connect discovery provider of SPIRE. An issuer that is
    /// itself named like a trust domain, as `spiffe://shop.example`, needs no such setting.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    ///
    /// let issuer = NeedsAudience::new("https://oidc.shop.example", Arc::new(StaticKeys::new([])))
    ///     .audience("orders")
    ///     .spiffe_trust_domain("shop.example");
    /// # let _ = issuer;
    /// ```
    pub fn spiffe_trust_domain(mut self, name: impl Into<String>) -> Self {
        self.trust_domain = Some(name.into());
        self
    }

    /// Adds a client (`client_id`) whose tokens are accepted. Default: every client.
    pub fn allowed_client(mut self, client_id: impl Into<String>) -> Self {
        self.allowed_clients.push(client_id.into());
        self
    }

    /// Requires access tokens to name their client, in a claim that the mapping reads it from
    /// ([`Authorities::client_at`], default `client_id`).
    ///
    /// For issuers whose ID tokens may have nothing but the lack of a client to tell them by, as those of Auth0. Tokens of other
    /// kinds that the policy accepts by their type need no client. [`Profile::AccessToken`] requires it of every token.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::authz::Authorities;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])))
    ///     .audience("orders")
    ///     .authorities(Authorities::new().client_at("/azp").client_at("/client_id"))
    ///     .client_required();
    /// # let _ = issuer;
    /// ```
    pub fn client_required(mut self) -> Self {
        self.client_required = true;
        self
    }

    /// Compares `client_id` with the audiences if a token has no `aud`.
    ///
    /// Access tokens of Amazon Cognito need this. If a token has an `aud`, only that is checked.
    pub fn client_id_for_absent_audience(mut self) -> Self {
        self.client_id_for_absent_audience = true;
        self
    }

    /// Names the claim by which the issuer marks access tokens, and the values that it has in them.
    ///
    /// Tokens without the claim, or with another value, are refused. `nonce` then no longer makes a token an ID token, because
    /// the issuer itself tells the kind; `at_hash` and `c_hash` still do. Presets of providers that have such a claim set it:
    /// Keycloak writes `Bearer` into `typ`, Amazon Cognito `access` into `token_use`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])))
    ///     .audience("orders")
    ///     .kind_claim("token_use", ["access"]);
    /// # let _ = issuer;
    /// ```
    pub fn kind_claim(mut self, name: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.kind_claim = Some((name.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// Accepts access tokens with `nonce`, which some issuers copy from the request of a browser into every token.
    ///
    /// `at_hash` and `c_hash` still make a token an ID token. If the issuer marks the kind of its tokens by a claim, use
    /// [`kind_claim`](Self::kind_claim): its ID tokens may have nothing but `nonce` to tell them by.
    pub fn nonce_in_access_tokens(mut self) -> Self {
        self.nonce_allowed = true;
        self
    }

    /// Accepts only tokens that are bound to a key or certificate of their sender (`cnf`), which the sender then has to prove to
    /// possess at each request (RFC 9449, RFC 8705). Default: tokens without a binding are accepted as Bearer.
    ///
    /// A bound token is never accepted without its proof, whatever this says.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])))
    ///     .audience("orders")
    ///     .proof_of_possession_required();
    /// # let _ = issuer;
    /// ```
    pub fn proof_of_possession_required(mut self) -> Self {
        self.proof_required = true;
        self
    }

    /// Sets the rules for the status lists of the issuer. [`StatusListRules`] has an example. Default: statuses are not checked.
    ///
    /// A layer checks them for each request: it fetches the list that a token names, and refuses tokens that are revoked or
    /// suspended with 401, and those of unknown status with 503.
    pub fn status_lists(mut self, rules: StatusListRules) -> Self {
        self.status_lists = Some(Arc::new(rules));
        self
    }

    /// Sets the mapping from claims to scopes, roles, permissions, tenant and client.
    ///
    /// It replaces the whole mapping, also the one of a preset. [`map_authorities`](Self::map_authorities) adds to it.
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = authorities;
        self
    }

    /// Changes the mapping, such as the one of a preset. Settings that `change` does not touch are kept.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::authz::Authorities;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])))
    ///     .audience("orders")
    ///     .authorities(Authorities::new().roles_at("/roles"))
    ///     .map_authorities(|mapping| mapping.tenant_at("/tenant").hierarchy("admin > clerk"));
    /// # let _ = issuer;
    /// ```
    pub fn map_authorities(mut self, change: impl FnOnce(Authorities) -> Authorities) -> Self {
        self.authorities = change(self.authorities);
        self
    }

    /// Keeps only the client of the mapping, for a service that uses neither roles nor tenants of this issuer.
    pub fn clients_only(mut self) -> Self {
        self.authorities = self.authorities.clients_only();
        self
    }

    /// Returns whether only [bound tokens](Self::proof_of_possession_required) are accepted.
    #[must_use]
    pub fn requires_proof_of_possession(&self) -> bool {
        self.proof_required
    }

    /// The rules for the status lists of this issuer, if there are any.
    #[must_use]
    pub fn status_list_rules(&self) -> Option<&Arc<StatusListRules>> {
        self.status_lists.as_ref()
    }

    /// The exact `iss` of this issuer's tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The source of this issuer's keys.
    #[must_use]
    pub fn key_source(&self) -> &Arc<dyn KeySource> {
        &self.keys
    }

    pub(super) fn of_any_type(mut self) -> Self {
        self.any_type = true;
        self
    }

    /// Returns whether tokens of this type are accepted.
    pub(crate) fn takes_type(&self, found: &TokenType) -> bool {
        let is_named = |name: &String| name.eq_ignore_ascii_case(found.name());
        let named = *found != TokenType::Absent && self.token_types.iter().any(is_named);
        let is_any = self.any_type && !TokenKinds::is_transaction(found.name());
        is_any || named || self.profile.takes(found)
    }

    /// The accepted types, as text.
    pub(crate) fn expected_types(&self) -> String {
        if self.any_type {
            return "any type (danger)".to_owned();
        }
        let of_profile = Some(self.profile.expected_types()).filter(|types| !types.is_empty());
        of_profile.into_iter().chain(self.token_types.iter().map(String::as_str)).collect::<Vec<_>>().join(" or ")
    }

    /// The kinds that the claims of a token of type `found` may declare.
    ///
    /// The profile accepts access tokens. A type that is named accepts its own kind; a type without a known kind accepts
    /// any. `JWT` stands for ID tokens only if the profile accepts just the types that are named.
    pub(crate) fn permitted_kinds(&self, found: &TokenType) -> TokenKinds {
        let stands_for_access = *found == TokenType::Jwt && self.profile != Profile::Named;
        if self.any_type {
            TokenKinds::ALL
        } else if stands_for_access || self.profile.takes(found) {
            let access = TokenKinds::one(TokenKind::Access);
            let has_nonce = self.nonce_allowed || self.kind_claim.is_some();
            if has_nonce { access.and(TokenKind::WithNonce) } else { access }
        } else {
            TokenKinds::of_type(found.name())
        }
    }

    /// Returns whether only ID tokens of the type `found` are accepted, which is also that of other tokens.
    pub(crate) fn takes_only_id_tokens(&self, found: &TokenType) -> bool {
        *found == TokenType::Jwt && self.profile == Profile::Named && !self.any_type
    }

    /// Returns whether a token of type `found` must name its client, since it counts as an access token.
    pub(crate) fn requires_client(&self, found: &TokenType) -> bool {
        let counts_as_access = || self.permitted_kinds(found).has_any(TokenKinds::one(TokenKind::Access));
        self.profile == Profile::AccessToken || self.client_required && !self.any_type && counts_as_access()
    }

    /// Returns whether tokens of every kind are accepted.
    pub(crate) fn takes_any_type(&self) -> bool {
        self.any_type
    }

    /// Returns whether client assertions are accepted (RFC 7523), which have no type of their own in older clients.
    pub(crate) fn takes_client_assertions(&self) -> bool {
        self.any_type || self.token_types.iter().any(|name| name.eq_ignore_ascii_case("client-authentication+jwt"))
    }

    pub(super) fn allowing_plain_http(mut self) -> Self {
        self.plain_http_allowed = true;
        self
    }

    /// The longest lifetime in force.
    pub(crate) fn lifetime_bound(&self) -> Option<Duration> {
        let profile_bound = (self.profile == Profile::AccessToken).then_some(ACCESS_TOKEN_MAX_LIFETIME);
        self.max_lifetime.or(profile_bound)
    }

    /// The top-level claims that the rules and the mapping read, besides the registered claims.
    pub(crate) fn claim_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let values = self.required_values.iter().map(|(name, _)| name);
        let allowed = self.allowed_values.iter().chain(&self.kind_claim).map(|(name, _)| name);
        let of_rules = self.required.iter().chain(values).chain(allowed).map(|name| Cow::Borrowed(name.as_str()));
        let of_transactions = self.transactions.iter().flat_map(|_| TRANSACTION_CLAIMS).map(Cow::Borrowed);
        self.authorities.claim_names().chain(of_rules).chain(of_transactions)
    }

    /// The claims that tell who calls: those that the mapping reads, and those of which the rules require a value.
    pub(crate) fn naming_claims(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let values = self.required_values.iter().map(|(name, _)| name);
        let values = values.chain(self.allowed_values.iter().map(|(name, _)| name));
        self.authorities.claim_names().chain(values.map(|name| Cow::Borrowed(name.as_str())))
    }

    /// The only value that the tenant claim can have, if a required value pins it.
    pub(crate) fn pinned_tenant(&self) -> Option<&str> {
        let mut pinned = self.required_values.iter().filter(|(name, _)| self.authorities.has_tenant_claim(name));
        pinned.next().map(|(_, tenant)| tenant.as_str())
    }

    /// The weakenings in force, as text.
    pub(crate) fn weakenings(&self) -> impl Iterator<Item = &'static str> {
        let any_audience = self.any_audience.then_some("tokens for any audience are taken");
        let plain_http = self.plain_http_allowed.then_some("the issuer may use plain http");
        let any_type = self.any_type.then_some("tokens of any type are taken");
        let accepts_unknown = self.status_lists.as_ref().is_some_and(|lists| lists.accepts_unknown());
        let unknown = accepts_unknown.then_some("tokens of unknown status are taken");
        let own = [any_audience, any_type, plain_http, unknown].into_iter().flatten();
        own.chain(self.keys.describe().weakenings)
    }

    /// The fault of the name, if it cannot be one.
    fn issuer_fault(&self) -> Option<Cow<'static, str>> {
        if self.issuer.is_empty() {
            return Some("issuer is empty; set it to the tokens' iss".into());
        }
        if self.issuer.starts_with("http://") && !self.plain_http_allowed && !is_loopback(&self.issuer) {
            // A user part may hold a password.
            let shown = if self.issuer.contains('@') { "the issuer".to_owned() } else { safe_text(&self.issuer) };
            let way_out = "danger::plain_http_issuer (danger_plain_http in a policy file)";
            return Some(format!("{shown} is plain http; use https (loopback is exempt), or {way_out}").into());
        }
        if self.issuer.starts_with("http") && self.issuer.contains(['?', '#', '@']) {
            return Some(
                "issuer has a query, fragment or user part; write it as in the provider's discovery document".into(),
            );
        }
        if self.issuer.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
            return Some("issuer has control characters, quotes or backslashes; remove them".into());
        }
        discovery_document_fault(&self.issuer).map(Cow::Owned)
    }

    /// Attaches the key source and returns every configuration fault of this issuer.
    pub(crate) fn faults(&self, context: &SourceContext) -> Vec<Fault> {
        let mut faults = self.keys.attach(context);
        if let Some(problem) = self.issuer_fault() {
            faults.retain(|fault| fault.field != "issuer"); // the key source reports the same name
            faults.push(Fault::new("issuer", problem));
        }
        if let Some(problem) = self.trust_domain.as_ref().and_then(|name| spiffe::domain_fault(name, &self.issuer)) {
            faults.push(Fault::new("spiffe_trust_domain", problem));
        }
        let mut fault = |field: &'static str, problem: &'static str| faults.push(Fault::new(field, problem));
        if !self.any_audience && (self.audiences.is_empty() || self.audiences.iter().any(String::is_empty)) {
            fault("audience", "audience is empty; name the service this verifier protects");
        }
        if self.algorithms.is_empty() {
            fault("algorithms", "algorithms is empty; name at least one, such as ES256");
        }
        let symmetric = self.algorithms.iter().filter(|algorithm| algorithm.is_symmetric()).count();
        if symmetric != 0 && symmetric != self.algorithms.len() {
            fault("algorithms", "algorithms mixes symmetric and asymmetric algorithms; allow only one kind");
        }
        if !Algorithm::RSA.contains(&self.unlabelled_rsa) {
            fault("algorithm_of_unlabelled_rsa_keys", "not an RSA algorithm; use one such as RS256 or PS256");
        }
        if self.token_types.iter().any(|name| name.is_empty() || name.contains('/')) {
            fault("token_types", "a type is empty or has a slash; write it like logout+jwt, without application/");
        }
        if self.profile == Profile::Named && self.token_types.is_empty() && !self.any_type {
            fault("token_types", "token_types is empty, but the profile accepts only named types; name at least one");
        }
        if self.transactions.is_none() && self.token_types.iter().any(|name| TokenKinds::is_transaction(name)) {
            let problem = "a transaction token is no access token and identifies no caller; give its service to a TransactionVerifier";
            fault("token_types", problem);
        }
        if self.leeway > MAX_LEEWAY {
            fault("leeway", "leeway is above 300 s; lower it and synchronize the clocks");
        }
        if self.max_lifetime == Some(Duration::ZERO) || self.max_age == Some(Duration::ZERO) {
            fault("max_lifetime", "a limit of zero refuses every token; remove it or raise it");
        }
        for (name, values) in &self.allowed_values {
            let has_own_setting =
                RegisteredClaim::from_name(name).is_some_and(|claim| !claim.may_have_required_value());
            if name.is_empty() || has_own_setting {
                faults.push(Fault::new("allowed_claim_values", "the claim is empty, or has its own setting; use that"));
            } else if values.is_empty() || values.iter().any(String::is_empty) {
                let problem =
                    format!("no value of {name} is allowed, or an empty one; name each value, such as an owner's id");
                faults.push(Fault::new("allowed_claim_values", problem));
            }
        }
        if self.required_values.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
            faults.push(Fault::new(
                "required_claim_values",
                "a claim or its value is empty; name both or remove the entry",
            ));
        }
        if self
            .required_values
            .iter()
            .any(|(name, _)| RegisteredClaim::from_name(name).is_some_and(|claim| !claim.may_have_required_value()))
        {
            let problem =
                "the claim is not a plain string, or has its own setting; use that, such as audience or authorities";
            faults.push(Fault::new("required_claim_values", problem));
        }
        if let Some((name, values)) = &self.kind_claim {
            let is_registered = RegisteredClaim::from_name(name).is_some();
            if name.is_empty() || is_registered || values.is_empty() || values.iter().any(String::is_empty) {
                faults.push(Fault::new(
                    "kind_claim",
                    "the claim is empty or a registered one, or a value is missing; name both",
                ));
            }
        }
        if self.allowed_clients.iter().any(String::is_empty) {
            faults.push(Fault::new("allowed_clients", "a client id is empty; name the client or remove the entry"));
        }
        if self.refused_subject_prefixes.iter().any(String::is_empty) {
            faults
                .push(Fault::new("refused_subject_prefixes", "a prefix is empty and refuses every subject; remove it"));
        }
        faults.extend(self.status_lists.iter().flat_map(|lists| lists.faults()));
        faults.extend(self.open_issuer_fault());
        faults.extend(self.authorities.faults());
        faults
    }
}

/// The claims of transaction tokens that the rules read, besides the registered ones.
const TRANSACTION_CLAIMS: [&str; 4] = ["txn", "req_wl", "tctx", "rctx"];

/// The fault of an issuer that is the address of its discovery document, with the name that it probably has.
///
/// ```
/// use countersign_core::integration::discovery_document_fault;
///
/// let problem = discovery_document_fault("https://id.example.com/realms/shop/.well-known/openid-configuration");
/// assert!(problem.is_some_and(|problem| problem.contains("https://id.example.com/realms/shop,")));
/// assert!(discovery_document_fault("https://id.example.com/realms/shop").is_none());
/// ```
#[must_use]
pub fn discovery_document_fault(issuer: &str) -> Option<String> {
    const DOCUMENTS: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
    let (before, after) = DOCUMENTS.iter().find_map(|document| issuer.split_once(document))?;
    Some(format!(
        "this is the address of the discovery document; the issuer is probably {before}{after}, as the document's member issuer states it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::OwnTokens;
    use crate::clock::SystemClock;
    use crate::key::StaticKeys;
    use crate::verify::{Verifier, VerifierBuilder};

    fn named(issuer: &str) -> NeedsAudience {
        NeedsAudience::new(issuer, Arc::new(StaticKeys::new([])))
    }

    fn faulty_fields(issuer: &TrustedIssuer) -> Vec<String> {
        let context = SourceContext::new(Arc::new(SystemClock));
        issuer.faults(&context).into_iter().map(|fault| fault.field.into_owned()).collect()
    }

    #[test]
    fn s3_16_s2_01_s2_05_senseless_policies_name_every_faulty_field() {
        let good = || named("https://id.example.com").audience("orders");
        assert_eq!(faulty_fields(&good()), Vec::<String>::new());
        assert_eq!(faulty_fields(&named("").audience("").algorithms([])), ["issuer", "audience", "algorithms"]);
        assert_eq!(faulty_fields(&good().algorithms([Algorithm::HS256, Algorithm::RS256])), ["algorithms"]);
        assert_eq!(faulty_fields(&good().leeway(Duration::from_secs(301))), ["leeway"]);
        assert_eq!(faulty_fields(&good().leeway(Duration::from_secs(300))), Vec::<String>::new());
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for fine in ["http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:80/", "https://a.example", "svc"] {
            assert_eq!(faulty_fields(&named(fine).audience("a")), Vec::<String>::new(), "{fine}");
        }
        for bad in [
            "http://a.example",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil/",
            "https://a?x",
            "https://a#x",
        ] {
            assert_eq!(faulty_fields(&named(bad).audience("a")), ["issuer"], "{bad}");
        }
        assert_eq!(faulty_fields(&danger_http()), Vec::<String>::new());
    }

    #[test]
    fn s15_05_an_issuer_that_is_asked_only_for_clients_says_no_names_and_no_tenant() {
        let mapping = || Authorities::new().client_at("azp").own_tokens(OwnTokens::Workload);
        let all = mapping().roles_at("/roles").groups_at("/groups").tenant_at("/org").scopes_in_scp();
        let two = ["https://a.example", "https://b.example"]
            .map(|name| named(name).audience("orders").authorities(all.clone()));
        let built = |issuers: [TrustedIssuer; 2]| {
            let builder = issuers.into_iter().fold(Verifier::builder(), VerifierBuilder::trust);
            builder.build().map(drop)
        };
        assert!(built(two.clone()).is_err(), "each could say the roles and the tenant of the other");
        let two = two.map(TrustedIssuer::clients_only);
        assert!(two.iter().all(|issuer| issuer.authorities == mapping()));
        assert!(built(two).is_ok());
    }

    fn danger_http() -> TrustedIssuer {
        super::super::danger::plain_http_issuer(named("http://a.example").audience("a"))
    }
}
