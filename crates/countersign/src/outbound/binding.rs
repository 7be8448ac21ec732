//! Bound origins, each with the tokens that may be sent there.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use reqwest::Url;

use super::error::{OutboundError, OutboundErrorKind};
use super::origin::Origin;
use super::source::{CachedTokens, TokenStats};

/// The bound origins. Clones share the tokens.
#[derive(Clone)]
pub(super) struct Bindings(Arc<[Binding]>);

/// An origin and the tokens bound to it.
pub(super) struct Binding {
    pub(super) origin: Origin,
    pub(super) tokens: CachedTokens,
}

impl Bindings {
    pub(super) fn new(bindings: Vec<Binding>) -> Self {
        Bindings(bindings.into())
    }

    /// The binding of the origin of `url`.
    pub(super) fn for_url(&self, url: &Url) -> Result<&Binding, OutboundError> {
        self.0.iter().find(|binding| binding.origin.contains(url)).ok_or_else(not_bound)
    }

    /// The binding of the origin of a plain HTTP request's address.
    pub(super) fn for_uri(&self, uri: &Uri) -> Result<&Binding, OutboundError> {
        self.0.iter().find(|binding| binding.origin.contains_uri(uri)).ok_or_else(not_bound)
    }

    pub(super) fn stats(&self) -> Vec<(String, TokenStats)> {
        self.0.iter().map(|binding| (binding.origin.to_string(), binding.tokens.stats())).collect()
    }
}

fn not_bound() -> OutboundError {
    OutboundError::new(OutboundErrorKind::OriginNotBound, "no token source is bound to the request's origin; bind one")
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|binding| &binding.origin)).finish()
    }
}
