//! The caller of the current request as a task-local value, for code without access to the request.

use std::task::{Context, Poll};

use countersign_core::verify::TransactionToken;
use http::Request;
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::authenticate::{Authenticated, CallerToken};

tokio::task_local! {
    static CURRENT: Option<CallerToken>;
    static TRANSACTION: Option<TransactionToken>;
}

/// The caller of the request that this task serves. Tasks that it spawns see none.
pub(super) fn current_caller() -> Option<CallerToken> {
    CURRENT.try_with(Option::clone).ok().flatten()
}

/// The transaction of the request that this task serves. Tasks that it spawns see none.
#[cfg(feature = "txn")]
pub(super) fn current_transaction() -> Option<TransactionToken> {
    TRANSACTION.try_with(Option::clone).ok().flatten()
}

/// Stores the caller's token and the transaction in the task that serves the request, for
/// [`Outbound::on_behalf_of_current_caller`](super::Outbound::on_behalf_of_current_caller) and
/// [`Outbound::in_current_transaction`](super::Outbound::in_current_transaction).
///
/// It runs after an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer) with `keep_caller_token`; in axum, add it
/// before that layer. If the code can take a `CallerToken` as an argument, pass it instead.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::error::ConfigError;
/// use countersign::outbound::ProvideCallerLayer;
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier, outbound: Outbound) -> Result<Router, ConfigError> {
///     let handler = move || async move {
///         let delegated = outbound.on_behalf_of_current_caller();
///         if delegated.is_ok() { "on the caller's behalf" } else { "without a caller" }
///     };
///     let authenticate = AuthenticateLayer::builder(verifier).keep_caller_token().build()?;
///     Ok(Router::new().route("/orders", get(handler)).layer(ProvideCallerLayer).layer(authenticate))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ProvideCallerLayer;

/// A service behind [`ProvideCallerLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ProvideCaller<S>(S);

impl<S> Layer<S> for ProvideCallerLayer {
    type Service = ProvideCaller<S>;

    fn layer(&self, inner: S) -> ProvideCaller<S> {
        ProvideCaller(inner)
    }
}

impl<S, B> Service<Request<B>> for ProvideCaller<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<Option<CallerToken>, TaskLocalFuture<Option<TransactionToken>, S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let caller = request.extensions().get::<CallerToken>().cloned();
        let transaction = request.extensions().get::<Authenticated>().and_then(|it| it.transaction.clone());
        CURRENT.scope(caller, TRANSACTION.scope(transaction, self.0.call(request)))
    }
}
