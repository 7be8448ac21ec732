//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::action::TokenEndAction;
use super::body::EndWithTokenBody;
use super::end::TokenEnd;
use crate::response::{AnswerForm, ResponseBody};

pin_project! {
    /// The future of [`EndWithToken`](super::EndWithToken); [`end_with_token`](super::end_with_token) has an example.
    #[derive(Debug)]
    pub struct EndWithTokenFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Response { response: Option<Response<Bytes>> },
        Inner { #[pin] future: F, end: Option<TokenEnd>, action: TokenEndAction, form: AnswerForm },
    }
}

impl<F> EndWithTokenFuture<F> {
    pub(super) fn inner(future: F, end: Option<TokenEnd>, action: TokenEndAction, form: AnswerForm) -> Self {
        EndWithTokenFuture { state: State::Inner { future, end, action, form } }
    }

    pub(super) fn response(response: Response<Bytes>) -> Self {
        EndWithTokenFuture { state: State::Response { response: Some(response) } }
    }
}

impl<F, ResBody, E> Future for EndWithTokenFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<EndWithTokenBody<ResponseBody<ResBody>>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future, end, action, form } => {
                let response = ready!(future.poll(context))?;
                let wrap =
                    |body| EndWithTokenBody::with_form(ResponseBody::new(body), end.take(), action.clone(), *form);
                Poll::Ready(Ok(response.map(wrap)))
            }
            StateProjection::Response { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(EndWithTokenBody::from))),
                None => Poll::Pending, // polled after completion, which only a faulty caller does
            },
        }
    }
}
