//! The builder that binds origins to token sources.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::policy::Policy;

use super::binding::{Binding, Bindings, Forwarding};
use super::config;
use super::error::REDIRECTS_PROBLEM;
use super::nonce::NewestNonce;
use super::origin::Origin;
use super::source::{CALLER_CACHE_BYTES, CachedTokens, OutboundContext, TokenSource, attach_source};
use crate::fetch::Reach;
use crate::telemetry;

/// Binds origins to token sources, and builds what sends to them.
///
/// It builds an [`Outbound`](super::Outbound), an [`AttachTokenLayer`](super::AttachTokenLayer) or an
/// `AttachTokenMiddleware`: `T` is that type. Each has a `builder` function.
///
/// ```
/// use countersign::outbound::{FileToken, Outbound, StaticToken};
/// use countersign::secret::Secret;
///
/// let outbound = Outbound::builder(reqwest::Client::new())
///     .bind("https://billing.internal", FileToken::new("/var/run/secrets/tokens/billing"))
///     .bind("https://stock.internal", StaticToken::new(Secret::from("a-token")))
///     .build()?;
/// # let _ = outbound;
///
/// let faults = Outbound::builder(reqwest::Client::new())
///     .bind("http://billing.internal", StaticToken::new(Secret::from(""))) // two faults, reported together
///     .build()
///     .unwrap_err();
/// assert_eq!(faults.faults().len(), 2);
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct OutboundBuilder<T> {
    finish: Box<dyn FnOnce(Bindings) -> T + Send>,
    clock: Arc<dyn Clock>,
    caller_cache_bytes: usize,
    reach: Reach,
    denies_danger: bool,
    may_follow_redirects: bool,
    bindings: Vec<(String, Reach, Source)>,
    /// The origins that get the transaction of each call.
    forwarding: Vec<String>,
}

/// The source of a binding, or its faults.
type Source = Result<Arc<dyn TokenSource>, ConfigError>;

impl<T> OutboundBuilder<T> {
    pub(super) fn new(may_follow_redirects: bool, finish: impl FnOnce(Bindings) -> T + Send + 'static) -> Self {
        OutboundBuilder {
            finish: Box::new(finish),
            clock: Arc::new(SystemClock),
            caller_cache_bytes: CALLER_CACHE_BYTES,
            reach: Reach::Anywhere,
            denies_danger: false,
            may_follow_redirects,
            bindings: Vec::new(),
            forwarding: Vec::new(),
        }
    }

    /// Binds `origin` to the tokens of `source`; requests to it carry them, and requests to other origins never do.
    ///
    /// An origin is `https` with a host and an optional port; plain `http` is for loopback only, or after
    /// [`danger_allow_plain_http`](Self::danger_allow_plain_http).
    pub fn bind(mut self, origin: impl Into<String>, source: impl TokenSource) -> Self {
        self.bindings.push((origin.into(), Reach::Anywhere, Ok(Arc::new(source))));
        self
    }

    /// Adds the bindings of a policy, with their clients and secrets, and its `deny_danger`.
    ///
    /// [`Outbound::from_config`](super::Outbound::from_config) has an example.
    pub fn config(mut self, policy: &Policy) -> Self {
        for binding in &policy.outbound {
            let reach = if binding.danger_plain_http { Reach::AnywhereInPlainHttp } else { Reach::Anywhere };
            let source = config::source(binding, policy).map(Arc::from);
            self.bindings.push((binding.origin.clone(), reach, source));
            self.forwarding.extend(binding.forward_transaction.then(|| binding.origin.clone()));
        }
        OutboundBuilder { denies_danger: self.denies_danger || policy.deny_danger, ..self }
    }

    /// Forwards the transaction token of each call to this bound origin, unmodified, in the header `Txn-Token` beside the token of
    /// the binding (draft-ietf-oauth-transaction-tokens-10).
    ///
    /// Each call then says to which transaction it belongs: [`in_transaction`](super::Outbound::in_transaction),
    /// [`in_current_transaction`](super::Outbound::in_current_transaction) or
    /// [`without_transaction`](super::Outbound::without_transaction), or a
    /// [`TransactionToken`](countersign_core::verify::TransactionToken) in the extensions of the request. A call that says nothing is
    /// not made. Other origins never get the token, and the client must [follow no
    /// redirects](Self::client_follows_no_redirects).
    ///
    /// ```
    /// use countersign::extract::Transaction;
    /// use countersign::outbound::{FileToken, Outbound, OutboundError};
    ///
    /// let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    /// let outbound = Outbound::builder(http)
    ///     .client_follows_no_redirects()
    ///     .bind("https://stock.internal", FileToken::new("/var/run/secrets/tokens/stock"))
    ///     .forward_transaction("https://stock.internal")
    ///     .build()?;
    ///
    /// async fn order(outbound: Outbound, transaction: Transaction) -> Result<u16, OutboundError> {
    ///     let request = outbound.client().post("https://stock.internal/reservations");
    ///     Ok(outbound.in_transaction(&transaction).send(request).await?.status().as_u16())
    /// }
    /// # let _ = (order, outbound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "txn")]
    pub fn forward_transaction(mut self, origin: impl Into<String>) -> Self {
        self.forwarding.push(origin.into());
        self
    }

    /// The clock for the lifetimes of all tokens, and for what the sources sign. Default: the system clock.
    pub fn clock(self, clock: impl Clock) -> Self {
        OutboundBuilder { clock: clock.into_shared(), ..self }
    }

    /// States that the client follows no redirects, as it must for tokens that are bound to a key.
    ///
    /// reqwest follows redirects by default. It would take the proof along to another origin, and to another address of the
    /// same origin, for which the proof does not count. With this, a redirect is an `Ok` response. A client that follows one to
    /// another origin nevertheless causes the error `redirects_followed`.
    ///
    /// ```
    /// use countersign::outbound::{ClientCredentials, DpopKey, Outbound};
    /// use countersign::secret::Secret;
    ///
    /// let tokens = ClientCredentials::from_issuer("https://id.example.com")
    ///     .client("orders", Secret::from("from-the-vault"))
    ///     .dpop(DpopKey::generate()?);
    /// let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    /// let outbound = Outbound::builder(http)
    ///     .client_follows_no_redirects()
    ///     .bind("https://billing.internal", tokens)
    ///     .build()?;
    /// # let _ = outbound;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client_follows_no_redirects(self) -> Self {
        OutboundBuilder { may_follow_redirects: false, ..self }
    }

    /// The memory for the tokens of callers and those exchanged for them, for each binding. Default 64 MiB, at most 2 GiB.
    ///
    /// One issuer or client takes at most half of it, and one subject a quarter. If a share is used up, its least recently
    /// used callers are removed; their tokens are exchanged again when they call again.
    pub fn caller_cache_bytes(self, caller_cache_bytes: usize) -> Self {
        OutboundBuilder { caller_cache_bytes, ..self }
    }

    /// Allows plain `http` to all bound origins, such as services inside a mesh that encrypts connections.
    ///
    /// Anyone on the network path can read the tokens. A warning is logged when the client is built, and
    /// [`deny_danger`](Self::deny_danger) forbids it. Token endpoints have
    /// [a setting of their own](super::ClientCredentials::danger_allow_plain_http).
    ///
    /// ```
    /// use countersign::outbound::{ClientCredentials, Outbound};
    /// use countersign::secret::Secret;
    ///
    /// let tokens = ClientCredentials::from_issuer("http://keycloak:8080/realms/shop")
    ///     .client("orders", Secret::from("from-the-vault"))
    ///     .danger_allow_plain_http();
    /// let outbound = Outbound::builder(reqwest::Client::new())
    ///     .bind("http://billing.shop.svc.cluster.local:8080", tokens)
    ///     .danger_allow_plain_http()
    ///     .build()?;
    /// # let _ = outbound;
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    pub fn danger_allow_plain_http(self) -> Self {
        OutboundBuilder { reach: Reach::AnywhereInPlainHttp, ..self }
    }

    /// Refuses to build with a weakened setting, of this builder or of a source: those named `danger_…`.
    pub fn deny_danger(self) -> Self {
        OutboundBuilder { denies_danger: true, ..self }
    }

    /// Builds it.
    ///
    /// # Errors
    /// All faults at once, each field after the origin of its binding: an origin that is unusable or bound twice, a source with
    /// missing or unusable settings, and a source that is already used under another clock.
    pub fn build(self) -> Result<T, ConfigError> {
        let context = OutboundContext::new(self.clock).for_client(self.may_follow_redirects);
        let context = if self.denies_danger { context.deny_danger() } else { context };
        let (mut bound, mut faults) = (Vec::<Binding>::new(), Vec::new());
        let is_plain = |reach: Reach| reach == Reach::AnywhereInPlainHttp;
        if is_plain(self.reach) || self.bindings.iter().any(|(_, reach, _)| is_plain(*reach)) {
            faults.extend(context.plain_http_fault());
            if !self.denies_danger {
                telemetry::plain_http_allowed("bound origins");
            }
        }
        let (forwarding_of, unbound) = forwarding(&self.forwarding, &self.bindings);
        faults.extend(unbound);
        for (number, (text, reach, source)) in (1..).zip(self.bindings) {
            let reach = if is_plain(self.reach) { self.reach } else { reach };
            let origin = Origin::parse_within(reach, &text);
            // An unusable origin is not repeated: it may hold a password.
            let forwarding = forwarding_of(&text);
            let name = if origin.is_ok() { text } else { format!("binding {number}") };
            let mut found = match &source {
                Ok(source) => attach_source(source, &context),
                Err(error) => error.faults().to_vec(),
            };
            if forwarding == Forwarding::Always && self.may_follow_redirects {
                found.push(Fault::new("forward_transaction", REDIRECTS_PROBLEM));
            }
            match (origin, source) {
                (Err(fault), _) => found.push(fault),
                (Ok(origin), _) if bound.iter().any(|binding| binding.origin == origin) => {
                    found.push(Fault::new("origin", "bound twice; bind one source to each origin"));
                }
                (Ok(_), Err(_)) => {}
                (Ok(origin), Ok(source)) => {
                    let clock = || Arc::clone(context.clock());
                    let tokens = CachedTokens::new(source, clock(), &origin.to_string(), self.caller_cache_bytes);
                    let (nonce, may_follow_redirects) = (NewestNonce::default(), self.may_follow_redirects);
                    bound.push(Binding { origin, tokens, clock: clock(), nonce, may_follow_redirects, forwarding });
                }
            }
            faults.extend(found.into_iter().map(|fault| with_name(fault, &name)));
        }
        ConfigError::check(faults)?;
        Ok((self.finish)(Bindings::new(bound, Arc::clone(context.clock()))))
    }
}

impl<T> fmt::Debug for OutboundBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundBuilder").field("bindings", &self.bindings).finish_non_exhaustive()
    }
}

/// The forwarding of each binding by its text, and the faults of origins that are not bound.
fn forwarding<'f>(
    named: &'f [String],
    bindings: &[(String, Reach, Source)],
) -> (impl Fn(&str) -> Forwarding + 'f, Vec<Fault>) {
    let is_bound = |origin: &&String| bindings.iter().any(|(text, ..)| text == *origin);
    let problem = "not bound; write the origin as in its binding, which is where its own token comes from";
    let unbound = named.iter().filter(|origin| !is_bound(origin));
    let faults = unbound.map(|_| Fault::new("forward_transaction", problem)).collect();
    let of = |text: &str| match named.iter().any(|origin| origin == text) {
        true => Forwarding::Always,
        false if named.is_empty() => Forwarding::Off,
        false => Forwarding::Never,
    };
    (of, faults)
}

/// The fault with its binding first: other parts of a policy have fields of the same names.
fn with_name(fault: Fault, name: &str) -> Fault {
    Fault::new(format!("{name}: {}", fault.field), fault.problem)
}
