//! Forwarding of the transaction token that a request came with (draft-ietf-oauth-transaction-tokens-10 §6.2).

use countersign_core::integration::transaction_text;
use countersign_core::verify::TransactionToken;
use http::{HeaderMap, HeaderValue};

use super::binding::{Binding, Forwarding};
use super::error::{OutboundError, OutboundErrorKind};
use crate::authenticate::TXN_TOKEN;

/// The transaction that a call belongs to.
#[derive(Clone, Debug, Default)]
pub(super) enum CallTransaction {
    /// Nothing says whether it belongs to one: it is not made where tokens are forwarded.
    #[default]
    Unstated,
    /// It belongs to none, as the application says.
    None,
    Within(TransactionToken),
}

impl From<Option<TransactionToken>> for CallTransaction {
    fn from(transaction: Option<TransactionToken>) -> Self {
        transaction.map_or(CallTransaction::Unstated, CallTransaction::Within)
    }
}

/// Adds the token, unmodified, if the binding says so. Its value is marked sensitive.
pub(super) fn forward(
    binding: &Binding,
    transaction: &CallTransaction,
    headers: &mut HeaderMap,
) -> Result<(), OutboundError> {
    let refused = |kind, detail: &'static str| Err(OutboundError::new(kind, detail));
    if binding.forwarding == Forwarding::Off {
        return Ok(());
    }
    if headers.contains_key(TXN_TOKEN) {
        let detail =
            "the request already has a Txn-Token header; leave it out, and say which transaction the call belongs to";
        return refused(OutboundErrorKind::AuthorizationAlreadySet, detail);
    }
    match transaction {
        _ if binding.forwarding == Forwarding::Never => Ok(()),
        CallTransaction::None => Ok(()),
        CallTransaction::Unstated => refused(
            OutboundErrorKind::NoTransaction,
            "the origin gets the transaction of each call, and this call states none; call in_transaction, or \
             without_transaction if it belongs to none",
        ),
        CallTransaction::Within(transaction) if transaction.expires_at() <= binding.clock.now() => {
            refused(OutboundErrorKind::TransactionExpired, "the transaction token has expired")
        }
        CallTransaction::Within(transaction) => {
            let value = transaction_text(transaction).and_then(|token| HeaderValue::from_str(token).ok());
            let Some(mut value) = value else {
                return refused(OutboundErrorKind::NoTransaction, "the transaction token is not kept");
            };
            value.set_sensitive(true);
            headers.insert(TXN_TOKEN, value);
            Ok(())
        }
    }
}
