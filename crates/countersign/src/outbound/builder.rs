//! The builder that binds origins to token sources.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::{ConfigError, Fault};

use super::binding::{Binding, Bindings};
use super::origin::Origin;
use super::source::{CALLER_CACHE_BYTES, CachedTokens, OutboundContext, TokenSource, attach_source};

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
    bindings: Vec<(String, Arc<dyn TokenSource>)>,
}

impl<T> OutboundBuilder<T> {
    pub(super) fn new(finish: impl FnOnce(Bindings) -> T + Send + 'static) -> Self {
        OutboundBuilder {
            finish: Box::new(finish),
            clock: Arc::new(SystemClock),
            caller_cache_bytes: CALLER_CACHE_BYTES,
            bindings: Vec::new(),
        }
    }

    /// Binds `origin` to the tokens of `source`; requests to it carry them, and requests to other origins never do.
    ///
    /// An origin is `https` with a host and an optional port; plain `http` is for loopback only.
    pub fn bind(mut self, origin: impl Into<String>, source: impl TokenSource) -> Self {
        self.bindings.push((origin.into(), Arc::new(source)));
        self
    }

    /// The clock for the lifetimes of all tokens, and for what the sources sign. Default: the system clock.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        OutboundBuilder { clock, ..self }
    }

    /// The memory for the tokens of callers and those exchanged for them, for each binding. Default 64 MiB, at most 2 GiB.
    ///
    /// One issuer or client takes at most half of it, and one subject a quarter. If a share is used up, its least recently
    /// used callers are removed; their tokens are exchanged again when they call again.
    pub fn caller_cache_bytes(self, caller_cache_bytes: usize) -> Self {
        OutboundBuilder { caller_cache_bytes, ..self }
    }

    /// Builds it.
    ///
    /// # Errors
    /// All faults at once: an origin that is unusable or bound twice, a source with missing or unusable settings, and a
    /// source that is already used under another clock.
    pub fn build(self) -> Result<T, ConfigError> {
        let context = OutboundContext::new(self.clock);
        let (mut bound, mut faults) = (Vec::<Binding>::new(), Vec::new());
        for (number, (text, source)) in (1..).zip(self.bindings) {
            let origin = Origin::parse(&text);
            // An unusable origin is not repeated: it may hold a password.
            let name = origin.as_ref().map_or_else(|_| format!("binding {number}"), ToString::to_string);
            let mut found = attach_source(&source, &context);
            match origin {
                Err(fault) => found.push(fault),
                Ok(origin) if bound.iter().any(|binding| binding.origin == origin) => {
                    found.push(Fault::new("origin", "bound twice; bind one source to each origin"));
                }
                Ok(origin) => {
                    let tokens = CachedTokens::new(source, Arc::clone(context.clock()), &name, self.caller_cache_bytes);
                    bound.push(Binding { origin, tokens });
                }
            }
            faults
                .extend(found.into_iter().map(|fault| Fault::new(fault.field, format!("{} ({name})", fault.problem))));
        }
        ConfigError::check(faults)?;
        Ok((self.finish)(Bindings::new(bound)))
    }
}

impl<T> fmt::Debug for OutboundBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundBuilder").field("bindings", &self.bindings).finish_non_exhaustive()
    }
}
