//! The service.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::action::TokenEndAction;
use super::body::EndWithTokenBody;
use super::end::TokenEnd;
use super::future::EndWithTokenFuture;
use crate::authenticate::{Authenticated, AuthenticationStatus};
use crate::response::{AnswerForm, ResponseBody, SetupFault};
use crate::telemetry;

/// A service behind an [`EndWithTokenLayer`](super::EndWithTokenLayer); [`end_with_token`](super::end_with_token) has an
/// example.
#[derive(Clone, Debug)]
pub struct EndWithToken<S> {
    inner: S,
    action: TokenEndAction,
}

impl<S> EndWithToken<S> {
    pub(super) fn new(inner: S, action: TokenEndAction) -> Self {
        EndWithToken { inner, action }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for EndWithToken<S>
where
    S: Service<Request<EndWithTokenBody<ReqBody>>, Response = Response<ResBody>>,
{
    type Response = Response<EndWithTokenBody<ResponseBody<ResBody>>>;
    type Error = S::Error;
    type Future = EndWithTokenFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let form = AnswerForm::from_extensions(request.extensions());
        if matches!(Authenticated::status(request.extensions()), AuthenticationStatus::NoLayer) {
            telemetry::missing_layer(request.uri().path(), telemetry::ADD_THE_LAYER);
            return EndWithTokenFuture::response(SetupFault.response(form));
        }
        let end = TokenEnd::from_extensions(request.extensions());
        // A partial request never looks complete, so it ends with an error whatever the response ends with.
        let request_action = match self.action {
            TokenEndAction::Warn => TokenEndAction::Warn,
            _ => TokenEndAction::Abort,
        };
        let request = request.map(|body| EndWithTokenBody::new(body, end.clone(), request_action));
        EndWithTokenFuture::inner(self.inner.call(request), end, self.action.clone(), form)
    }
}
