//! A copy of a request for the retry, taken before a token is attached.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::Body as _;
use reqwest::{Body, Request, Url};

/// The parts of a request, which become a request only if it is sent again.
///
/// Nearly every copy is dropped unused, so it costs two allocations, for the address and the headers;
/// `Request::try_clone` costs six. It leaves out what only reqwest's own extensions hold.
pub(super) struct RequestCopy {
    method: Method,
    url: Url,
    version: Version,
    timeout: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
}

/// Copies `request`. Returns `None` for a streamed body, which cannot be read twice.
pub(super) fn try_clone_request(request: &mut Request) -> Option<RequestCopy> {
    let body = match request.body_mut().take().map(buffered) {
        None => None,
        Some(Ok(bytes)) => Some(bytes),
        Some(Err(streamed)) => {
            *request.body_mut() = Some(streamed);
            return None;
        }
    };
    *request.body_mut() = body.clone().map(Body::from);
    Some(RequestCopy {
        method: request.method().clone(),
        url: request.url().clone(),
        version: request.version(),
        timeout: request.timeout().copied(),
        headers: request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        body,
    })
}

impl RequestCopy {
    /// The request to send.
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        *request.version_mut() = self.version;
        if self.timeout.is_some() {
            *request.timeout_mut() = self.timeout;
        }
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        *request.headers_mut() = headers;
        *request.body_mut() = self.body.clone().map(Body::from);
        request
    }
}

/// The bytes of a buffered body, without a copy; a streamed body is given back.
fn buffered(mut body: Body) -> Result<Bytes, Body> {
    if body.as_bytes().is_none() {
        return Err(body);
    }
    // A buffered body is ready at once, with one frame or none.
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
        _ => Ok(Bytes::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_19_the_copy_of_a_request_is_the_request() {
        let mut request = Request::new(Method::PUT, Url::parse("https://billing.test/a?b").expect("a URL"));
        *request.timeout_mut() = Some(Duration::from_secs(3));
        *request.version_mut() = Version::HTTP_2;
        for value in ["1", "2"] {
            request.headers_mut().append("x-twice", HeaderValue::from_static(value));
        }
        *request.body_mut() = Some("exactly this".into());
        let copy = try_clone_request(&mut request).expect("a copy").request();
        for same in [&request, &copy] {
            assert_eq!((same.method(), same.url().as_str()), (&Method::PUT, "https://billing.test/a?b"));
            assert_eq!((same.timeout(), same.version()), (Some(&Duration::from_secs(3)), Version::HTTP_2));
            assert_eq!(same.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(same.body().and_then(Body::as_bytes), Some(&b"exactly this"[..]));
        }
        let mut bare = Request::new(Method::GET, Url::parse("https://billing.test").expect("a URL"));
        let copy = try_clone_request(&mut bare).expect("a copy").request();
        assert!(bare.body().is_none() && copy.body().is_none());
    }
}
