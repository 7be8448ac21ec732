//! The record that the layer leaves on a request.

use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::pseudonym::Pseudonyms;
use countersign_core::verify::{TransactionToken, TransactionVerifier, Verified, Verifier};
use http::{Extensions, HeaderMap, Uri};

use super::api_key::ApiKeyCheck;
use super::asked::AskedAbout;
#[cfg(feature = "axum")]
use super::coverage::Coverage;
use super::locations::TokenLocations;
use super::opaque::Introspector;
use crate::audit::{Auditor, Trail};
use crate::listed::AddedLists;
use crate::response::{AnswerForm, Refusal, Responder};
use crate::revocation::Revocation;
use crate::telemetry::Samples;

/// Request extension that records who calls, or that the caller is anonymous.
///
/// Only the layer can create one, and it removes any that was there before. A request without it passed no layer: guards
/// and extractors answer 500. [`status`](Self::status), which has an example, reads it.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub(crate) verified: Option<Arc<Verified>>,
    /// The transaction that the request belongs to. Only requests of verified callers have one.
    pub(crate) transaction: Option<TransactionToken>,
    /// The token, if an introspection endpoint is asked about it again while a response runs.
    pub(crate) asked: Option<Box<AskedAbout>>,
    /// The refusal of a request that is sent on. A layer with the same context behind this one decides alike, without verifying
    /// twice.
    pub(crate) refusal: Option<Box<Refusal>>,
    pub(crate) context: Arc<LayerContext>,
    pub(crate) form: AnswerForm,
    /// The path parameters that guards let through, for those behind routers that the guards do not know.
    pub(crate) compared: Vec<(String, String)>,
    /// The guard of an operation that let the request pass, which is not evaluated again further inside.
    #[cfg(feature = "axum")]
    pub(crate) passed: Option<GuardId>,
}

/// The identity of the guard of an operation and of its clones, unique in the process.
#[cfg(feature = "axum")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuardId(pub(crate) u64);

/// Parts of the layer that guards and extractors behind it use.
#[derive(Debug)]
pub(crate) struct LayerContext {
    pub(crate) verifier: Verifier,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) responder: Responder,
    pub(crate) samples: Samples,
    pub(crate) subjects: Option<Pseudonyms>,
    pub(crate) audit: Option<Arc<Auditor>>,
    pub(crate) revocation: Option<Revocation>,
    /// The status lists that the layer checks because its policy may name some.
    #[cfg_attr(not(feature = "status-list"), allow(dead_code, reason = "without the feature there are none"))]
    pub(crate) added_lists: AddedLists,
    pub(crate) introspection: Option<Introspector>,
    pub(crate) api_keys: Option<Arc<dyn ApiKeyCheck>>,
    pub(super) locations: TokenLocations,
    /// Set if the layer takes transaction tokens, so that guards can demand one.
    pub(crate) transactions: Option<TransactionVerifier>,
    /// Set if a check in a handler needs more of a request than its origin.
    #[cfg(feature = "axum")]
    pub(crate) copies_requests: bool,
    #[cfg(feature = "axum")]
    pub(super) coverage: Coverage,
}

impl LayerContext {
    /// The trail of the request with these extensions, if the layer has an audit log. It gets the route as far as it is known.
    #[inline]
    pub(crate) fn trail<'r>(&self, extensions: &'r Extensions) -> Option<&'r Trail> {
        if self.audit.is_some() { Trail::routed(extensions) } else { None }
    }

    /// Returns whether a request seems to have a token, in one of the locations that the layer reads.
    pub(crate) fn seems_to_have_token(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        self.locations.seem_to_have_token(headers, uri)
    }
}

/// Authentication status of a request, as guards and extractors see it.
///
/// ```
/// use countersign::authenticate::{Authenticated, AuthenticationStatus};
///
/// fn caller(extensions: &http::Extensions) -> Option<&str> {
///     match Authenticated::status(extensions) {
///         AuthenticationStatus::Verified(token) => Some(token.subject()),
///         _ => None,
///     }
/// }
/// # assert_eq!(caller(http::Request::new(()).extensions()), None);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthenticationStatus<'r> {
    /// The token was verified.
    Verified(&'r Arc<Verified>),
    /// The request has no token: the path is public, or anonymous callers are allowed.
    Anonymous,
    /// The request passed no layer: a mistake in the service's set-up, which must not let the request through.
    NoLayer,
}

impl Authenticated {
    /// Returns the status of the request with these extensions.
    ///
    /// ```
    /// use countersign::authenticate::{Authenticated, AuthenticationStatus};
    ///
    /// let request = http::Request::new(());
    /// assert!(matches!(Authenticated::status(request.extensions()), AuthenticationStatus::NoLayer));
    /// ```
    #[must_use]
    pub fn status(extensions: &Extensions) -> AuthenticationStatus<'_> {
        match extensions.get::<Authenticated>() {
            None => AuthenticationStatus::NoLayer,
            Some(Authenticated { verified: None, .. }) => AuthenticationStatus::Anonymous,
            Some(Authenticated { verified: Some(verified), .. }) => AuthenticationStatus::Verified(verified),
        }
    }

    /// Returns the transaction that the request with these extensions belongs to, if its layer takes transaction tokens.
    ///
    /// It tells on whose behalf the request is made. [`status`](Self::status) tells who makes it.
    ///
    /// ```
    /// use countersign::authenticate::Authenticated;
    ///
    /// let request = http::Request::new(());
    /// assert!(Authenticated::transaction(request.extensions()).is_none());
    /// ```
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn transaction(extensions: &Extensions) -> Option<&TransactionToken> {
        extensions.get::<Authenticated>()?.transaction.as_ref()
    }
}
