//! A response body that ends with its caller's token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::action::TokenEndAction;
use super::end::TokenEnd;
use crate::response::AnswerForm;

pin_project! {
    /// A body that ends when the caller's token expires, in the way of a [`TokenEndAction`].
    pub struct EndWithTokenBody<B> {
        #[pin]
        body: B,
        end: Option<Pin<Box<dyn Future<Output = TokenEnd> + Send>>>,
        action: TokenEndAction,
        state: State,
    }
}

/// The part of the body that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running {
        form: AnswerForm,
    },
    /// The trailers of a gRPC response, which state that the token has expired.
    Trailers,
    Over,
}

/// The error of a body whose caller's token expired; it closes the connection, so that the response does not look complete.
///
/// ```
/// use countersign::lifetime::TokenEnded;
///
/// fn is_token_end(error: &(dyn std::error::Error + 'static)) -> bool {
///     error.is::<TokenEnded>()
/// }
/// # let _ = is_token_end;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenEnded;

impl<B> EndWithTokenBody<B> {
    /// Ends `body` at `end`; without an end the body is unchanged.
    ///
    /// ```
    /// use countersign::lifetime::{EndWithTokenBody, TokenEnd, TokenEndAction};
    ///
    /// fn wrap<B>(request: &http::Request<()>, body: B) -> EndWithTokenBody<B> {
    ///     EndWithTokenBody::new(body, TokenEnd::from_extensions(request.extensions()), TokenEndAction::Abort)
    /// }
    /// # let _ = wrap::<String>;
    /// ```
    pub fn new(body: B, end: Option<TokenEnd>, action: TokenEndAction) -> Self {
        Self::with_form(body, end, action, AnswerForm::Http)
    }

    /// The same for a response of this form: a gRPC response ends with trailers.
    pub(super) fn with_form(body: B, end: Option<TokenEnd>, action: TokenEndAction, form: AnswerForm) -> Self {
        let end = end.map(|end| Box::pin(end.after_end()) as Pin<Box<dyn Future<Output = TokenEnd> + Send>>);
        EndWithTokenBody { body, end, action, state: State::Running { form } }
    }
}

impl<B> Body for EndWithTokenBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let form = match *this.state {
            State::Running { form } => form,
            State::Trailers => {
                *this.state = State::Over;
                return Poll::Ready(Some(Ok(Frame::trailers(unauthenticated()))));
            }
            State::Over => return Poll::Ready(None),
        };
        if let Some(end) = this.end
            && let Poll::Ready(end) = end.as_mut().poll(context)
        {
            *this.end = None;
            end.log(this.action.outcome());
            let last = match (&mut *this.action, form) {
                (TokenEndAction::Warn, _) => None,
                (TokenEndAction::Abort, AnswerForm::Http) => {
                    *this.state = State::Over;
                    return Poll::Ready(Some(Err(TokenEnded.into())));
                }
                (TokenEndAction::Abort, AnswerForm::Grpc) => Some(Bytes::new()),
                (TokenEndAction::Finish(last), _) => Some(std::mem::take(last)),
            };
            if let Some(last) = last {
                *this.state = if form == AnswerForm::Grpc { State::Trailers } else { State::Over };
                return match (last.is_empty(), form) {
                    (false, _) => Poll::Ready(Some(Ok(Frame::data(last)))),
                    (true, AnswerForm::Http) => Poll::Ready(None),
                    (true, AnswerForm::Grpc) => {
                        *this.state = State::Over;
                        Poll::Ready(Some(Ok(Frame::trailers(unauthenticated()))))
                    }
                };
            }
        }
        let frame = ready!(this.body.poll_frame(context));
        if frame.is_none() {
            *this.state = State::Over;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Running { .. } => self.body.is_end_stream(),
            State::Trailers => false,
            State::Over => true,
        }
    }

    /// Unknown if the last bytes may differ from the body's own.
    fn size_hint(&self) -> SizeHint {
        match (&self.end, &self.action, self.state) {
            (Some(_), TokenEndAction::Finish(_), _) | (_, _, State::Trailers | State::Over) => SizeHint::default(),
            _ => self.body.size_hint(),
        }
    }
}

/// The trailers of a gRPC response whose caller's token expired: status 16, UNAUTHENTICATED.
fn unauthenticated() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("16"));
    let message = HeaderValue::from_static("the%20token%20has%20expired");
    trailers.insert(HeaderName::from_static("grpc-message"), message);
    trailers
}

impl<B: From<Bytes>> From<Bytes> for EndWithTokenBody<B> {
    fn from(bytes: Bytes) -> Self {
        EndWithTokenBody::new(B::from(bytes), None, TokenEndAction::Abort)
    }
}

impl<B> fmt::Debug for EndWithTokenBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndWithTokenBody").field("action", &self.action).finish_non_exhaustive()
    }
}

impl fmt::Display for TokenEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the caller's token expired before the message was complete")
    }
}

impl std::error::Error for TokenEnded {}
