//! A body that ends with its caller's token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::end::TokenEnd;
use super::layer::AtEnd;
use crate::telemetry;

pin_project! {
    /// A response body that ends when the caller's token does, as [`AtEnd`] says.
    pub struct UntilTokenEnds<B> {
        #[pin]
        body: B,
        end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        at_end: AtEnd,
        is_over: bool,
    }
}

/// The caller's token ended before the body did: the connection is broken off, so that nothing looks complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenEnded;

impl<B> UntilTokenEnds<B> {
    /// Ends `body` at `end`; without an end it is left as it is.
    ///
    /// ```
    /// use countersign::lifetime::{AtEnd, TokenEnd, UntilTokenEnds};
    ///
    /// fn wrap<B>(request: &http::Request<()>, body: B) -> UntilTokenEnds<B> {
    ///     UntilTokenEnds::new(body, TokenEnd::of(request.extensions()), AtEnd::BreakOff)
    /// }
    /// # let _ = wrap::<String>;
    /// ```
    pub fn new(body: B, end: Option<TokenEnd>, at_end: AtEnd) -> Self {
        let end = end.map(|end| Box::pin(end.reached()) as Pin<Box<dyn Future<Output = ()> + Send>>);
        UntilTokenEnds { body, end, at_end, is_over: false }
    }
}

impl<B> Body for UntilTokenEnds<B>
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
            telemetry::token_ended(this.at_end.word());
            match this.at_end {
                AtEnd::Warn => {}
                AtEnd::BreakOff => {
                    *this.is_over = true;
                    return Poll::Ready(Some(Err(TokenEnded.into())));
                }
                AtEnd::EndWith(last) => {
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

    /// Unknown where the last bytes may be others than the body's own.
    fn size_hint(&self) -> SizeHint {
        match (&self.end, &self.at_end) {
            (Some(_), AtEnd::EndWith(_)) => SizeHint::default(),
            _ => self.body.size_hint(),
        }
    }
}

impl<B: From<Bytes>> From<Bytes> for UntilTokenEnds<B> {
    fn from(bytes: Bytes) -> Self {
        UntilTokenEnds::new(B::from(bytes), None, AtEnd::BreakOff)
    }
}

impl<B> fmt::Debug for UntilTokenEnds<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilTokenEnds").field("at_end", &self.at_end).finish_non_exhaustive()
    }
}

impl fmt::Display for TokenEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the caller's token ended before the response did")
    }
}

impl std::error::Error for TokenEnded {}
