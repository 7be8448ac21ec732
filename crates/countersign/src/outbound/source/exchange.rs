//! The parameters that a token exchange adds to a token request (RFC 8693 §2.1).

use std::fmt;

use url::form_urlencoded::Serializer;

use super::token::OutboundToken;
use crate::authenticate::CallerToken;

/// The way in which a caller's token is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// RFC 8693.
    Standard,
    /// On-behalf-of of Microsoft Entra: a JWT bearer grant.
    Entra,
}

/// The parameters of a transaction that begins. Details and context are JSON objects, which tell about persons: not for logs.
#[cfg_attr(not(feature = "txn"), allow(dead_code, reason = "only the feature begins transactions"))]
#[derive(Clone)]
pub(in crate::outbound) struct TransactionForm {
    pub(in crate::outbound) scope: String,
    pub(in crate::outbound) details: Option<String>,
    pub(in crate::outbound) context: Option<String>,
}

impl fmt::Debug for TransactionForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionForm").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The grant type of an exchange.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The grant that is an assertion (RFC 7523 §2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The type of transaction tokens.
pub(super) const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";

/// The grant, the subject's token, and the token requested for it.
pub(super) fn append_subject(
    form: &mut Serializer<'_, String>,
    subject: &CallerToken,
    flow: Flow,
    transaction: Option<&TransactionForm>,
) {
    match flow {
        Flow::Standard => {
            form.append_pair("grant_type", GRANT);
            form.append_pair("subject_token", subject.expose());
            form.append_pair("subject_token_type", ACCESS_TOKEN);
            form.append_pair("requested_token_type", transaction.map_or(ACCESS_TOKEN, |_| TXN_TOKEN));
        }
        Flow::Entra => {
            form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", subject.expose());
            form.append_pair("requested_token_use", "on_behalf_of");
        }
    }
}

/// The purpose and the details of a transaction.
pub(super) fn append_transaction(form: &mut Serializer<'_, String>, transaction: &TransactionForm) {
    let TransactionForm { scope, details, context } = transaction;
    form.append_pair("scope", scope);
    for (name, json) in [("request_details", details), ("request_context", context)] {
        if let Some(json) = json {
            form.append_pair(name, json);
        }
    }
}

/// The token of the actor for the subject, with its type.
pub(super) fn append_actor(form: &mut Serializer<'_, String>, actor: &OutboundToken) {
    form.append_pair("actor_token", actor.expose()).append_pair("actor_token_type", ACCESS_TOKEN);
}
