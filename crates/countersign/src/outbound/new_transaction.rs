//! The purpose and the details of a transaction that begins.

use std::fmt;

use serde::Serialize;

use super::error::OutboundError;
use super::source::TransactionForm;

/// The largest details or context sent, in bytes. The tokens must fit into a header.
const MAX_JSON_BYTES: usize = 4 * 1024;

/// A transaction that begins: its scope, and what else the transaction token service should know.
///
/// ```
/// use countersign::outbound::NewTransaction;
/// use serde_json::json;
///
/// let transaction = NewTransaction::new("trade.stocks")
///     .details(json!({ "action": "BUY", "ticker": "MSFT" }))
///     .context(json!({ "req_ip": "203.0.113.7" }));
/// # let _ = transaction;
/// ```
#[derive(Clone)]
#[must_use]
pub struct NewTransaction {
    scope: String,
    details: Option<Result<String, NotAnObject>>,
    context: Option<Result<String, NotAnObject>>,
}

/// A value that is not sent, because it is no JSON object or too large.
#[derive(Clone, Copy, Debug)]
struct NotAnObject;

impl NewTransaction {
    /// A transaction for this purpose: a scope of the trust domain, or several, separated by spaces.
    pub fn new(scope: impl Into<String>) -> Self {
        NewTransaction { scope: scope.into(), details: None, context: None }
    }

    /// The details that hold throughout the transaction (`request_details`), a JSON object of at most 4 KiB. The service decides what
    /// of them is in the token, as `tctx`.
    pub fn details(self, details: impl Serialize) -> Self {
        NewTransaction { details: Some(object(&details)), ..self }
    }

    /// The environment of the request that begins the transaction (`request_context`), such as the address of the client: a JSON
    /// object of at most 4 KiB. The service decides what of it is in the token, as `rctx`.
    pub fn context(self, context: impl Serialize) -> Self {
        NewTransaction { context: Some(object(&context)), ..self }
    }

    pub(super) fn into_form(self) -> Result<TransactionForm, OutboundError> {
        if self.scope.split_ascii_whitespace().next().is_none() {
            return Err(OutboundError::refused("the new transaction has no scope; name its purpose"));
        }
        let text = |value: Option<Result<String, NotAnObject>>| value.transpose();
        match (text(self.details), text(self.context)) {
            (Ok(details), Ok(context)) => Ok(TransactionForm { scope: self.scope, details, context }),
            _ => Err(OutboundError::refused(
                "the details or the context of the new transaction are no JSON object of at most 4096 bytes",
            )),
        }
    }
}

fn object(value: &impl Serialize) -> Result<String, NotAnObject> {
    let text = serde_json::to_string(value).map_err(|_| NotAnObject)?;
    if text.starts_with('{') && text.len() <= MAX_JSON_BYTES { Ok(text) } else { Err(NotAnObject) }
}

/// Without details and context, which are about persons.
impl fmt::Debug for NewTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTransaction").field("scope", &self.scope).finish_non_exhaustive()
    }
}
