//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign::integration::TokenEndParts;
use countersign::lifetime::{EndWithTokenBody, TokenEndAction};
use countersign::response::ResponseBody;
use http::{HeaderValue, Response, header};
use pin_project_lite::pin_project;

use crate::session::{SESSION_ID, SessionSeal};

pin_project! {
    /// The future of [`McpService`](crate::McpService).
    #[derive(Debug)]
    pub struct McpFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Own { response: Option<Response<Bytes>> },
        Inner { #[pin] future: F, behind: Behind },
    }
}

/// The parts that the response of the server needs.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) caller: Option<TokenEndParts>,
    /// Set if the response may open a session.
    pub(crate) opens: Option<SessionSeal>,
}

impl<F> McpFuture<F> {
    pub(crate) fn own(response: Response<Bytes>) -> Self {
        McpFuture { state: State::Own { response: Some(response) } }
    }

    pub(crate) fn inner(future: F, behind: Behind) -> Self {
        McpFuture { state: State::Inner { future, behind } }
    }
}

impl<F, B, E> Future for McpFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<EndWithTokenBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Own { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::from))),
                None => Poll::Pending, // polled after completion, which only a faulty caller does
            },
            StateProjection::Inner { future, behind } => {
                let mut response = ready!(future.poll(context))?;
                behind.bind_session(&mut response);
                let caller = behind.caller.take().filter(|_| is_stream(&response));
                let end = caller.map(TokenEndParts::into_end);
                let wrap =
                    |body| ResponseBody::new(EndWithTokenBody::new(body, end, TokenEndAction::Finish(Bytes::new())));
                Poll::Ready(Ok(response.map(wrap)))
            }
        }
    }
}

impl Behind {
    /// Binds a session that the response opens to the caller. A session without a caller could be continued by nobody: its
    /// identifier is removed.
    fn bind_session<B>(&self, response: &mut Response<B>) {
        let Some(identifier) = response.headers().get(SESSION_ID) else { return };
        let opener = self.opens.as_ref().zip(self.caller.as_ref());
        let sealed = opener.and_then(|(seal, caller)| seal.seal(identifier, caller.verified()));
        match sealed {
            Some(sealed) => response.headers_mut().insert(SESSION_ID, sealed),
            None => response.headers_mut().remove(SESSION_ID),
        };
    }
}

/// Returns whether the response is a stream of events, which may last longer than the token.
fn is_stream<B>(response: &Response<B>) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let form = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    form.and_then(|form| form.get(..EVENTS.len())).is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
}
