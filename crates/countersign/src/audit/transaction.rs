//! The transaction that a request belongs to.

use std::sync::Arc;

use http::Extensions;

/// Request extension: the `txn` of the request's transaction token.
///
/// Whatever verifies a transaction token calls [`Trail::in_transaction`](super::Trail::in_transaction) with it, and nothing else
/// may: events take `txn` from here only, and `countersign trace` joins them by it. The order does not matter: a layer that
/// verifies the token may be before the [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer), be that layer, or be
/// behind it.
#[derive(Clone, Debug)]
pub(crate) struct TransactionId(Arc<str>);

impl TransactionId {
    #[allow(dead_code, reason = "the verification of transaction tokens makes it")]
    pub(crate) fn new(txn: impl Into<Arc<str>>) -> Self {
        TransactionId(txn.into())
    }

    pub(super) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<TransactionId>().cloned()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
