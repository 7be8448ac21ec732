//! May a refused request be sent again?

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::Body as _;
use reqwest::{Body, Request, Url};

/// A request and, where its body can be had twice, what is needed to send it once more.
pub(super) struct Replay {
    pub(super) first: Request,
    pub(super) again: Option<Twin>,
}

/// The same request in pieces, since nearly every twin is dropped unused: the address and the headers are two allocations,
/// where `Request::try_clone` makes six. What only reqwest's own extensions hold is not in it.
pub(super) struct Twin {
    method: Method,
    url: Url,
    version: Version,
    timeout: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
}

impl Replay {
    /// The twin is taken before a token is on it. A streamed body has none: it is gone once sent (S7.19).
    pub(super) fn of(mut first: Request) -> Self {
        let body = match first.body_mut().take().map(whole) {
            None => None,
            Some(Ok(bytes)) => Some(bytes),
            Some(Err(streamed)) => {
                *first.body_mut() = Some(streamed);
                return Replay { first, again: None };
            }
        };
        *first.body_mut() = body.clone().map(Body::from);
        let again = Twin {
            method: first.method().clone(),
            url: first.url().clone(),
            version: first.version(),
            timeout: first.timeout().copied(),
            headers: first.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body,
        };
        Replay { first, again: Some(again) }
    }
}

impl Twin {
    /// The request whole.
    pub(super) fn into_request(self) -> Request {
        let mut request = Request::new(self.method, self.url);
        *request.version_mut() = self.version;
        if self.timeout.is_some() {
            *request.timeout_mut() = self.timeout;
        }
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        *request.headers_mut() = headers;
        *request.body_mut() = self.body.map(Body::from);
        request
    }
}

/// The bytes of a body that is all there, without a copy; or the body as it was.
fn whole(mut body: Body) -> Result<Bytes, Body> {
    if body.as_bytes().is_none() {
        return Err(body);
    }
    // Such a body is ready at once, with one frame or none.
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
        _ => Ok(Bytes::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_19_the_twin_of_a_request_is_the_request() {
        let mut request = Request::new(Method::PUT, Url::parse("https://billing.test/a?b").expect("a URL"));
        *request.timeout_mut() = Some(Duration::from_secs(3));
        *request.version_mut() = Version::HTTP_2;
        for value in ["1", "2"] {
            request.headers_mut().append("x-twice", HeaderValue::from_static(value));
        }
        *request.body_mut() = Some("exactly this".into());
        let Replay { first, again } = Replay::of(request);
        let again = again.expect("a twin").into_request();
        for same in [&first, &again] {
            assert_eq!((same.method(), same.url().as_str()), (&Method::PUT, "https://billing.test/a?b"));
            assert_eq!((same.timeout(), same.version()), (Some(&Duration::from_secs(3)), Version::HTTP_2));
            assert_eq!(same.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(same.body().and_then(Body::as_bytes), Some(&b"exactly this"[..]));
        }
        let bare = Replay::of(Request::new(Method::GET, Url::parse("https://billing.test").expect("a URL")));
        assert!(bare.first.body().is_none() && bare.again.expect("a twin").into_request().body().is_none());
    }
}
