//! A service that takes transaction tokens beside the tokens of its callers.

use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use axum::{Router, http};
use countersign::authenticate::{AuthenticateLayer, AuthenticateLayerBuilder};
use countersign::extract::Transaction;
use countersign::prelude::*;
use countersign_test::{Answer, BearerAuth, TestIssuer, TokenDraft};
use tower::ServiceExt;

/// The trust domain of all services.
pub(crate) const DOMAIN: &str = "shop.example";

/// Two services of one owner: the issuer of service tokens, and the transaction token service.
pub(crate) struct Shop {
    pub(crate) issuer: TestIssuer,
    pub(crate) service: TestIssuer,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let issuer = TestIssuer::new();
        // The same clock, and keys of its own.
        let key = countersign_core::mint::Signer::generate(issuer.algorithm()).expect("a key").with_key_id("txn");
        let service = issuer.clone().with_name("https://sts.test").with_key(key);
        Shop { issuer, service }
    }

    /// A service token of the workload `orders`.
    pub(crate) fn caller(&self) -> TokenDraft {
        self.issuer.token().subject("orders").client_id("orders").audience("stock").scope("stock:read")
    }

    pub(crate) fn transaction(&self) -> TokenDraft {
        self.service.transaction_token(DOMAIN, "trade.stocks").subject("ann")
    }

    pub(crate) fn builder(&self) -> AuthenticateLayerBuilder {
        AuthenticateLayer::builder(self.issuer.verifier_for("stock"))
    }

    /// A layer that takes transaction tokens.
    pub(crate) fn layer(&self) -> AuthenticateLayer {
        let transactions = self.service.transaction_verifier_for(DOMAIN);
        self.builder().transaction_tokens(transactions).build().expect("a layer")
    }
}

/// Answers with who calls, and in which transaction.
pub(crate) async fn who(caller: Option<Claims>, transaction: Option<Transaction>) -> String {
    let caller = caller.map_or("nobody".to_owned(), |claims| claims.subject().to_owned());
    let transaction = transaction.map(|transaction| format!(" for {} in {}", transaction.subject(), transaction.id()));
    format!("{caller}{}", transaction.unwrap_or_default())
}

pub(crate) fn app(layer: AuthenticateLayer) -> Router {
    Router::new()
        .route("/", get(who))
        .route("/demanding", get(|transaction: Transaction| async move { transaction.id().to_owned() }))
        .layer(layer)
}

pub(crate) fn request(path: &str) -> http::request::Builder {
    Request::get(path)
}

pub(crate) async fn send(app: &Router, request: http::request::Builder) -> Answer {
    let request = request.body(Body::empty()).expect("a request");
    Answer::from_response(app.clone().oneshot(request).await.expect("answered")).await
}

/// A request of `caller` with this transaction token.
pub(crate) async fn with(app: &Router, path: &str, caller: &TokenDraft, transaction: &str) -> Answer {
    send(app, caller.on(request(path)).txn_token(transaction)).await
}
