//! Transactions that begin with the requests of a swap (draft-ietf-oauth-transaction-tokens-10).

use countersign::authenticate::CallerToken;
use countersign::keys;
use countersign::outbound::{AttachToken, AttachTokenLayer, NewTransaction, TransactionClient};
use countersign_core::error::ConfigError;
use countersign_core::policy::{OutboundConfig, Policy};
use countersign_core::verify::{TransactionVerifier, Verified};
use http::{Extensions, HeaderMap, Method};
use serde_json::json;
use tower::Layer as _;

use crate::attach::{Captured, SwapRefusal, attached, call};
use crate::problem;
use crate::waits::Waits;

/// The token service, and the gateway's own tokens for the next service.
#[derive(Clone)]
pub(crate) struct Begin {
    origin: String,
    scope: String,
    transactions: TransactionClient,
    own: AttachToken<Captured>,
    pub(crate) waits: Waits,
}

impl Begin {
    /// `token` is the gateway's own for the next service. Its client requests the transaction tokens too.
    pub(crate) fn new(token: &OutboundConfig, scope: &str, policy: &Policy) -> Result<Self, ConfigError> {
        if scope.trim().is_empty() {
            let problem = "empty; name the purpose of the transactions, such as orders:place";
            return Err(ConfigError::new("transaction: scope", problem));
        }
        let mut own = policy.clone();
        own.outbound = vec![token.clone()];
        own.outbound.iter_mut().for_each(|token| token.forward_transaction = true);
        let own = AttachTokenLayer::builder().config(&own).build()?.layer(Captured);
        let verifier = TransactionVerifier::builder_for(policy, keys::from_config)?.build()?;
        let transactions = TransactionClient::from_config(token, policy, verifier)?;
        Ok(Begin { origin: token.origin.clone(), scope: scope.to_owned(), transactions, own, waits: Waits::default() })
    }

    pub(crate) fn trust_domain(&self) -> &str {
        self.transactions.trust_domain()
    }

    /// The headers of the gateway's own token, and of a new transaction for this caller, which has no scope that the client's token does
    /// not have.
    pub(crate) async fn headers(
        &self,
        caller: &Verified,
        extensions: &Extensions,
        (method, path, route): (&Method, &str, &str),
    ) -> Result<HeaderMap, SwapRefusal> {
        if extensions.get::<CallerToken>().is_none() {
            return Err(problem::NOT_EXCHANGEABLE.into());
        }
        let mut request = call(&self.origin, method, path)?;
        let details = json!({ "method": method.as_str(), "route": route });
        let new = NewTransaction::new(self.scope.as_str()).details(details);
        let transaction = self.waits.within(caller, self.transactions.begin(extensions, new)).await;
        let transaction = transaction.map_err(SwapRefusal::Outbound)?;
        let own = &caller.grants().scopes;
        if !transaction.scopes().all(|scope| own.contains(scope)) {
            return Err(SwapRefusal::unsuitable("it has a scope that the client's token does not have"));
        }
        request.extensions_mut().insert(transaction);
        self.waits.within(caller, attached(&self.own, request)).await.map_err(SwapRefusal::Outbound)
    }
}
