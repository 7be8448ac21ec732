//! A response body that ends with its caller's token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::action::TokenEndAction;
use super::end::TokenEnd;
use crate::telemetry;

pin_project! {
    /// A response body that ends when the caller's token expires, in the way of a [`TokenEndAction`].
    pub struct EndWithTokenBody<B> {
        #[pin]
        body: B,
        end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        action: TokenEndAction,
        is_over: bool,
    }
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
        let end = end.map(|end| Box::pin(end.reached()) as Pin<Box<dyn Future<Output = ()> + Send>>);
        EndWithTokenBody { body, end, action, is_over: false }
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
        if *this.is_over {
            return Poll::Ready(None);
        }
        if let Some(end) = this.end
            && end.as_mut().poll(context).is_ready()
        {
            *this.end = None;
            telemetry::token_ended(this.action.outcome());
            match this.action {
                TokenEndAction::Warn => {}
                TokenEndAction::Abort => {
                    *this.is_over = true;
                    return Poll::Ready(Some(Err(TokenEnded.into())));
                }
                TokenEndAction::Finish(last) => {
                    *this.is_over = true;
                    let last = std::mem::take(last);
                    return Poll::Ready((!last.is_empty()).then(|| Ok(Frame::data(last))));
                }
            }
        }
        let frame = ready!(this.body.poll_frame(context));
        *this.is_over = frame.is_none();
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    /// Unknown if the last bytes may differ from the body's own.
    fn size_hint(&self) -> SizeHint {
        match (&self.end, &self.action) {
            (Some(_), TokenEndAction::Finish(_)) => SizeHint::default(),
            _ => self.body.size_hint(),
        }
    }
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
        f.write_str("the caller's token expired before the response was complete")
    }
}

impl std::error::Error for TokenEnded {}
