//! Spans of HTTP requests, by OpenTelemetry's conventions for HTTP clients.

use std::borrow::Cow;
use std::future::Future;

use reqwest::{Request, Url};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::failure::FetchFailure;
use super::response::FetchedResponse;

/// The most characters of an address in a span.
const MAX_URL_CHARS: usize = 256;

/// Runs `work` in `span`. Records `error.type` and the status of the span if it fails, or is dropped before its end.
pub(crate) async fn in_span<T, E>(
    span: Span,
    work: impl Future<Output = Result<T, E>>,
    error_type: impl FnOnce(&E) -> Cow<'static, str>,
) -> Result<T, E> {
    if span.is_disabled() {
        return work.await;
    }
    let mut end = End { span: &span, is_over: false };
    let result = work.instrument(span.clone()).await;
    end.is_over = true;
    if let Err(error) = &result {
        record_error(&span, &error_type(error));
    }
    result
}

/// Sends `request` by `send`, in a span of its own.
pub(super) async fn request_in_span<F>(
    request: Request,
    send: impl FnOnce(Request) -> F,
) -> Result<FetchedResponse, FetchFailure>
where
    F: Future<Output = Result<FetchedResponse, FetchFailure>>,
{
    let span = tracing::info_span!(
        target: "countersign::fetch",
        "HTTP request",
        "otel.kind" = "client",
        "otel.name" = request.method().as_str(),
        "http.request.method" = request.method().as_str(),
        "url.full" = url_text(request.url()),
        "server.address" = &*cut(request.url().host_str().unwrap_or_default()),
        "server.port" = request.url().port_or_known_default(),
        "http.response.status_code" = Empty,
        "error.type" = Empty,
        "otel.status_code" = Empty,
    );
    let result = in_span(span.clone(), send(request), FetchFailure::error_type).await;
    if let Ok(response) = &result {
        span.record("http.response.status_code", response.status.as_u16());
        if response.status.is_client_error() || response.status.is_server_error() {
            record_error(&span, response.status.as_str());
        }
    }
    result
}

fn record_error(span: &Span, error_type: &str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}

/// The address without user information, query and fragment, which may hold secrets. A parsed address is printable ASCII.
pub(super) fn url_text(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    cut(&format!("{}://{host}{port}{}", url.scheme(), url.path())).into_owned()
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_URL_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Tells a dropped operation from one that has ended.
struct End<'s> {
    span: &'s Span,
    is_over: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            record_error(self.span, "cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_04_an_address_is_shown_without_what_may_be_secret_and_is_cut() {
        let url = |text: &str| url_text(&Url::parse(text).expect("a URL"));
        assert_eq!(url("https://u:p@id.example:8443/a%0Ab?key=secret#f"), "https://id.example:8443/a%0Ab");
        assert_eq!(url("http://[::1]:80/"), "http://[::1]/");
        assert_eq!(url("https://bücher.example/ü"), "https://xn--bcher-kva.example/%C3%BC");
        let long = url(&format!("https://id.example/{}", "k".repeat(9_000)));
        assert_eq!((long.chars().count(), long.ends_with("k…")), (MAX_URL_CHARS + 1, true));
    }
}
