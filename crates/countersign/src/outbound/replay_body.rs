//! A request body that can be sent a second time from its beginning.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A body of [`RepeatOnNonceLayer::replaying`](super::RepeatOnNonceLayer::replaying), which has the example: it passes on the frames of
/// another one, and keeps them until it is known that they are not needed again.
pub struct ReplayBody<B> {
    /// The frames that are sent again, before the rest.
    kept: VecDeque<Kept>,
    rest: Arc<Mutex<Rest<B>>>,
}

/// A frame.
#[derive(Clone)]
enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// The frames that nobody has sent yet, and those that were sent.
struct Rest<B> {
    /// `None` once the request is sent again, with the rest of the body.
    body: Option<B>,
    /// `None` if they are too long, or not needed.
    sent: Option<VecDeque<Kept>>,
    sent_bytes: usize,
    max_bytes: usize,
    /// Of the first request, which ends once the second has the body.
    waker: Option<Waker>,
}

/// Gives the body again.
pub(super) struct Replay<B>(Arc<Mutex<Rest<B>>>);

impl<B> ReplayBody<B> {
    /// A body that can be sent again until it has sent more than so many bytes.
    pub(super) fn new(body: B, max_bytes: usize) -> (Self, Replay<B>) {
        let sent = Some(VecDeque::new());
        let rest = Rest { body: Some(body), sent, sent_bytes: 0, max_bytes, waker: None };
        let rest = Arc::new(Mutex::new(rest));
        (ReplayBody { kept: VecDeque::new(), rest: Arc::clone(&rest) }, Replay(rest))
    }
}

impl<B> Replay<B> {
    /// The body from its beginning. What the first request has not sent is sent by the second, and the first one ends.
    pub(super) fn again(self) -> Option<ReplayBody<B>> {
        let (kept, body, waker) = {
            let mut rest = lock(&self.0);
            (rest.sent.take()?, rest.body.take()?, rest.waker.take())
        };
        waker.into_iter().for_each(Waker::wake);
        let rest = Rest { body: Some(body), sent: None, sent_bytes: 0, max_bytes: 0, waker: None };
        Some(ReplayBody { kept, rest: Arc::new(Mutex::new(rest)) })
    }

    /// Forgets what was sent.
    pub(super) fn stop(self) {
        lock(&self.0).sent = None;
    }
}

/// Never held while something waits. Nothing that panics can leave it half changed.
fn lock<B>(rest: &Mutex<Rest<B>>) -> MutexGuard<'_, Rest<B>> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Rest<B> {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(sent) = &mut self.sent else { return };
        self.sent_bytes = self.sent_bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if self.sent_bytes > self.max_bytes {
            self.sent = None;
        } else if let Some(data) = frame.data_ref() {
            sent.push_back(Kept::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            sent.push_back(Kept::Trailers(trailers.clone()));
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.kept.pop_front() {
            Some(Kept::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Kept::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None => {}
        }
        let mut rest = lock(&self.rest);
        rest.waker = None;
        let Some(body) = &mut rest.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if polled.is_pending() {
            rest.waker = Some(context.waker().clone());
        }
        let frame = ready!(polled);
        if let Some(Ok(frame)) = &frame {
            rest.keep(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_empty() && lock(&self.rest).body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept.iter().map(|kept| match kept {
            Kept::Data(data) => u64::try_from(data.len()).unwrap_or(u64::MAX),
            Kept::Trailers(_) => 0,
        });
        let kept = kept.fold(0_u64, u64::saturating_add);
        let rest = lock(&self.rest).body.as_ref().map(Body::size_hint).unwrap_or_else(|| SizeHint::with_exact(0));
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    /// Frames that are ready at once.
    struct Chunks(std::slice::Iter<'static, &'static str>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.next().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
        }
    }

    fn chunks(texts: &'static [&'static str]) -> Chunks {
        Chunks(texts.iter())
    }

    async fn text(body: impl Body<Data = Bytes, Error = std::convert::Infallible>) -> String {
        String::from_utf8(body.collect().await.expect("infallible").to_bytes().to_vec()).expect("text")
    }

    #[tokio::test]
    async fn s7_19_what_was_sent_and_what_was_not_is_sent_again_and_the_first_body_ends() {
        for frames in 0..=3 {
            let (mut first, replay) = ReplayBody::new(chunks(&["one ", "two ", "three"]), 64);
            for _ in 0..frames {
                assert!(first.frame().await.expect("a frame").is_ok());
            }
            assert_eq!(text(replay.again().expect("short enough")).await, "one two three", "after {frames}");
            assert!(first.frame().await.is_none() && first.is_end_stream());
        }
    }

    #[tokio::test]
    async fn s7_19_a_body_that_sent_more_than_the_bound_is_not_sent_again() {
        for (max_bytes, is_kept) in [(4, false), (8, true)] {
            let (mut first, replay) = ReplayBody::new(chunks(&["one ", "two ", "three"]), max_bytes);
            for _ in 0..2 {
                assert!(first.frame().await.expect("a frame").is_ok());
            }
            assert_eq!(replay.again().is_some(), is_kept);
            assert_eq!(text(first).await, if is_kept { "" } else { "three" }, "what is not repeated goes on");
        }
        let (first, replay) = ReplayBody::new(chunks(&["one ", "two"]), 64);
        replay.stop();
        assert_eq!(text(first).await, "one two");
    }

    #[tokio::test]
    async fn the_length_of_a_body_is_known_both_times() {
        let (mut first, replay) = ReplayBody::new(Full::new(Bytes::from_static(b"exactly this")), 64);
        assert_eq!((first.size_hint().exact(), first.is_end_stream()), (Some(12), false));
        assert!(first.frame().await.expect("a frame").is_ok());
        assert!(first.is_end_stream());
        let second = replay.again().expect("short enough");
        assert_eq!((second.size_hint().exact(), second.is_end_stream()), (Some(12), false));
        assert_eq!(text(second).await, "exactly this");
        let (empty, _replay) = ReplayBody::new(Full::new(Bytes::new()), 64);
        assert!(empty.is_end_stream(), "as of a GET");
    }
}
