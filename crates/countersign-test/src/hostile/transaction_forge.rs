//! The recipes of hostile transactions, each made from a caller and a transaction that would be accepted.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use serde_json::json;

use super::{Attack, TransactionAttack};
use crate::draft::TokenDraft;
use crate::request::BearerAuth;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The tokens of a hostile request; [`TransactionAttack`] has an example.
#[derive(Clone)]
#[must_use]
pub struct HostileTransaction {
    attack: TransactionAttack,
    bearer: Option<String>,
    transactions: Vec<String>,
}

impl HostileTransaction {
    /// Attaches the tokens to a request, in place of any others.
    #[must_use]
    pub fn on<R: BearerAuth>(&self, mut request: R) -> R {
        if let Some(headers) = request.headers() {
            headers.remove(header::AUTHORIZATION);
            headers.remove("txn-token");
            for token in &self.transactions {
                headers.append("txn-token", HeaderValue::from_str(token).expect("a token fits a header"));
            }
        }
        match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// Without the tokens.
impl fmt::Debug for HostileTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostileTransaction").field("attack", &self.attack.name()).finish_non_exhaustive()
    }
}

impl TokenDraft {
    /// The tokens of a hostile request, made from this draft of a
    /// [transaction token](crate::TestIssuer::transaction_token) and of a caller's own. [`TransactionAttack`] shows the loop over
    /// all attacks.
    pub fn hostile_transaction(&self, attack: TransactionAttack, caller: &TokenDraft) -> HostileTransaction {
        use TransactionAttack as To;
        let own = || Some(caller.sign());
        let (bearer, transactions) = match attack {
            To::AsBearer => (Some(self.sign()), Vec::new()),
            To::WithoutCaller => (None, vec![self.sign()]),
            To::TwoHeaders => (own(), vec![self.sign(); 2]),
            To::Joined => (own(), vec![format!("{0}, {0}", self.sign())]),
            To::Empty => (own(), vec![String::new()]),
            To::WithScheme => (own(), vec![format!("Bearer {}", self.sign())]),
            To::AccessToken => (own(), vec![caller.sign()]),
            forged => (own(), vec![self.forged_transaction(forged).sign()]),
        };
        HostileTransaction { attack, bearer, transactions }
    }

    /// A draft that differs from this one in a single thing.
    fn forged_transaction(&self, attack: TransactionAttack) -> TokenDraft {
        use TransactionAttack as To;
        let draft = self.clone();
        match attack {
            To::TypedAsAccessToken => draft.header("typ", "at+jwt"),
            To::TypedAsJwt => draft.header("typ", "JWT"),
            To::Untyped => draft.without_header("typ"),
            To::OtherDomain => draft.audience("other.example"),
            To::TwoDomains => draft.add_audience("other.example"),
            To::NoDomain => draft.without_claim("aud"),
            To::NoTransaction => draft.without_claim("txn"),
            To::TransactionWithLine => draft.claim("txn", "t\nlevel=ERROR"),
            To::NoSubject => draft.without_claim("sub"),
            To::NoScope => draft.without_claim("scope"),
            To::NoWorkload => draft.without_claim("req_wl"),
            To::NoIssueTime => draft.without_claim("iat"),
            To::NoExpiry => draft.without_claim("exp"),
            To::Expired => draft.expired(),
            To::LongLived => draft.lifetime(DAY),
            To::ContextText => draft.claim("tctx", json!("BUY")),
            To::Changed => draft.hostile(Attack::PayloadSwapped),
            To::OtherKey => draft.hostile(Attack::ForeignKeyOurKid),
            To::AsBearer
            | To::WithoutCaller
            | To::TwoHeaders
            | To::Joined
            | To::Empty
            | To::WithScheme
            | To::AccessToken => draft,
        }
    }
}
