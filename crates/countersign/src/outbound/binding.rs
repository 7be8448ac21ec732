//! Bound origins, each with the tokens that may be sent there.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::integration::safe_text;
use http::{HeaderMap, Uri};
use reqwest::Url;

use super::error::{OutboundError, OutboundErrorKind};
use super::nonce::NewestNonce;
use super::origin::Origin;
use super::source::{CachedTokens, OutboundToken, TokenStats};
use crate::telemetry::{self, Sampler};

/// The most origins that an error lists.
const MAX_SHOWN: usize = 8;

/// The bound origins. Clones share the tokens.
#[derive(Clone)]
pub(super) struct Bindings(Arc<Bound>);

struct Bound {
    bindings: Vec<Binding>,
    clock: Arc<dyn Clock>,
    /// Samples the events of requests to other origins.
    not_bound: Sampler,
}

/// An origin and the tokens bound to it.
pub(super) struct Binding {
    pub(super) origin: Origin,
    pub(super) tokens: CachedTokens,
    /// Dates the proofs.
    pub(super) clock: Arc<dyn Clock>,
    /// The newest nonce of the origin for proofs.
    pub(super) nonce: NewestNonce,
    /// The client may follow redirects, and take a proof along.
    pub(super) may_follow_redirects: bool,
    /// The forwarding of transaction tokens.
    pub(super) forwarding: Forwarding,
}

/// The forwarding of transaction tokens to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forwarding {
    /// The client forwards to no origin, and does not change the header.
    Off,
    /// The client forwards to other origins only.
    Never,
    /// Every call carries the token of its transaction.
    Always,
}

impl Binding {
    /// Returns whether a redirect would take along what is for this origin only.
    pub(super) fn is_bound_to_origin(&self, token: &OutboundToken) -> bool {
        token.signer().is_some() || self.forwarding == Forwarding::Always
    }

    /// Stores the nonce of a response of this origin to a request with `token`. Returns whether it is another than `sent`.
    pub(super) fn learn_nonce(&self, token: &OutboundToken, headers: &HeaderMap, sent: Option<&str>) -> bool {
        token.signer().is_some() && self.nonce.learn(&self.origin, headers, sent).is_some()
    }
}

impl Bindings {
    pub(super) fn new(bindings: Vec<Binding>, clock: Arc<dyn Clock>) -> Self {
        Bindings(Arc::new(Bound { bindings, clock, not_bound: Sampler::new() }))
    }

    /// The binding of the origin of `url`.
    pub(super) fn for_url(&self, url: &Url) -> Result<&Binding, OutboundError> {
        self.0
            .bindings
            .iter()
            .find(|binding| binding.origin.contains(url))
            .ok_or_else(|| self.not_bound(Origin::of(url)))
    }

    /// The binding of the origin of a plain HTTP request's address.
    pub(super) fn for_uri(&self, uri: &Uri) -> Result<&Binding, OutboundError> {
        self.0
            .bindings
            .iter()
            .find(|binding| binding.origin.contains_uri(uri))
            .ok_or_else(|| self.not_bound(Url::parse(&uri.to_string()).ok().as_ref().and_then(Origin::of)))
    }

    /// The error of a request to `origin`, which names it and the bound ones, and is logged.
    fn not_bound(&self, origin: Option<Origin>) -> OutboundError {
        let requested =
            origin.as_ref().map_or_else(|| "the request's origin".to_owned(), |origin| safe_text(&origin.to_string()));
        let mut bound: Vec<_> =
            self.0.bindings.iter().take(MAX_SHOWN).map(|binding| safe_text(&binding.origin.to_string())).collect();
        if self.0.bindings.len() > MAX_SHOWN {
            bound.push(format!("{} more", self.0.bindings.len() - MAX_SHOWN));
        }
        let bound = if bound.is_empty() { "nothing".to_owned() } else { bound.join(", ") };
        let near = origin.and_then(|origin| {
            let near = |binding: &Binding| Some((binding.origin.to_string(), origin.near_miss(&binding.origin)?));
            self.0.bindings.iter().find_map(near)
        });
        let hint = near.map_or_else(String::new, |(near, why)| format!("; {} is near: {why}", safe_text(&near)));
        let detail = format!("no token source is bound to {requested}; bind one (bound: {bound}){hint}");
        let error = OutboundError::new(OutboundErrorKind::OriginNotBound, detail);
        let elapsed = self.0.clock.elapsed();
        error.set_logged(telemetry::origin_not_bound(&requested, &bound, &self.0.not_bound, elapsed));
        error
    }

    pub(super) fn stats(&self) -> Vec<(String, TokenStats)> {
        self.0.bindings.iter().map(|binding| (binding.origin.to_string(), binding.tokens.stats())).collect()
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.bindings.iter().map(|binding| &binding.origin)).finish()
    }
}
