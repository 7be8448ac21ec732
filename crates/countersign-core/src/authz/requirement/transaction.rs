//! Conditions on the transaction that a request belongs to.

use std::fmt;

use serde_json::{Value, json};

use super::condition::Condition;
use super::facts::Facts;
use super::rule::{Requirement, Rule};
use super::verdict::Verdict;
use crate::authz::Denial;

/// The request belongs to a transaction: it has a valid transaction token beside the caller's own token
/// (draft-ietf-oauth-transaction-tokens-10).
///
/// It is 403 without one, since no other token of the caller would help.
///
/// ```
/// use countersign_core::authz::{client, transaction};
///
/// let requirement = client("orders").and(transaction());
/// assert_eq!(requirement.to_string(), "client orders and a transaction");
/// ```
pub fn transaction() -> Requirement {
    Requirement::from_condition(Transaction)
}

/// The transaction of the request meets `requirement`: its scopes, its subject, the workload that requested it (as the client),
/// its claims. The caller's own token meets nothing of it.
///
/// Without a transaction it refuses, and so does its negation. A denial is 403 without a hint at scopes or logins, which only
/// the caller's own token could have; [hidden](Requirement::hidden) parts are 404.
///
/// ```
/// use countersign_core::authz::{claim, client, in_transaction, scope};
///
/// let purchases = scope("trade.stocks").and(claim("/tctx/action", "BUY"));
/// assert_eq!(
///     client("orders").and(in_transaction(purchases)).to_string(),
///     "client orders and in a transaction with (scope trade.stocks and claim /tctx/action is \"BUY\")",
/// );
/// ```
pub fn in_transaction(requirement: impl Into<Requirement>) -> Requirement {
    Requirement::from_rule(Rule::InTransaction(requirement.into()))
}

struct Transaction;

impl Condition for Transaction {
    fn kind(&self) -> &'static str {
        "transaction"
    }

    fn argument(&self) -> Value {
        json!({})
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        Verdict::met_if(facts.context.transaction.is_some(), || Denial::Forbidden)
    }

    fn found(&self, _: &Facts<'_>) -> Vec<String> {
        vec!["the request has no transaction token".to_owned()]
    }

    fn needs_transaction(&self) -> bool {
        true
    }
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a transaction")
    }
}
