//! The transaction that a request belongs to, as a handler argument.

use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use countersign_core::verify::TransactionToken;
use http::request::Parts;

use super::rejection::{Caller, Rejection, caller};
use crate::response::Refusal;
use crate::telemetry;

/// The transaction that the request belongs to: on whose behalf and for which purpose it is made.
///
/// It needs an authenticated caller, and does not tell who that is; [`Claims`](super::Claims) does. A request without a
/// transaction token is refused with 403, or is `None` as `Option<Transaction>`. A layer without
/// [`transaction_tokens`](crate::authenticate::AuthenticateLayerBuilder::transaction_tokens) before it is 500.
///
/// ```
/// use countersign::extract::Transaction;
/// use countersign::prelude::*;
///
/// async fn trade(caller: Claims, transaction: Transaction) -> String {
///     format!("{} trades for {} in transaction {}", caller.subject(), transaction.subject(), transaction.id())
/// }
/// # let _: axum::Router = axum::Router::new().route("/trades", axum::routing::post(trade));
/// ```
#[derive(Clone, Debug)]
pub struct Transaction(TransactionToken);

impl Deref for Transaction {
    type Target = TransactionToken;

    fn deref(&self) -> &TransactionToken {
        &self.0
    }
}

impl Transaction {
    /// The transaction of a caller; `None` if its request has no transaction token.
    pub(crate) fn of(caller: &Caller, path: &str) -> Result<Option<Self>, Rejection> {
        if caller.context.transactions.is_none() {
            telemetry::missing_layer(path, "add .transaction_tokens(..) to AuthenticateLayer::builder");
            return Err(Rejection::setup_fault(caller.form));
        }
        Ok(caller.transaction.clone().map(Transaction))
    }
}

impl<S: Sync> FromRequestParts<S> for Transaction {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let caller = caller(parts)?;
        Self::of(&caller, parts.uri.path())?.ok_or_else(|| {
            telemetry::no_transaction(&caller.verified, &caller.context.samples, caller.context.clock.elapsed());
            Rejection::refused(&Refusal::NoTransaction, Some(&"a transaction"), parts)
        })
    }
}

/// `None` for an authenticated caller without a transaction token; an anonymous one is refused.
impl<S: Sync> OptionalFromRequestParts<S> for Transaction {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        let caller = caller(parts)?;
        Self::of(&caller, parts.uri.path())
    }
}
