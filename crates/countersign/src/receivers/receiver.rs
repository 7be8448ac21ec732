//! The common part of both receivers: reads a bounded body, fetches keys, hands over notices.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use countersign_core::clock::UnixTime;
use countersign_core::error::{ConfigError, Fault, VerifyErrorKind as Kind};
use countersign_core::integration::EventCheck;
use countersign_core::key::RefreshOutcome;
use countersign_core::revocation::{RevocationNotice, RevocationSink, SinkError};
use countersign_core::verify::Verifier;
use http::{HeaderValue, Response, StatusCode, header};

use super::seen::{NotNew, Received, Seen};
use crate::rt;
use crate::telemetry::{self, Samples};

/// The longest body read, in bytes: a token in a form.
const MAX_BODY_BYTES: usize = 96 * 1024;

/// The longest time for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The longest wait for the sink.
const SINK_TIME: Duration = Duration::from_secs(5);

/// The longest time for which a token is remembered, whatever its expiry.
const LONGEST_MEMORY: Duration = Duration::from_secs(86_400);

/// The detail of a token that was received before.
const REPEATED: &str = "jti was received before";

/// The settings and the state of a receiver.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) verifier: Verifier,
    pub(super) audience: Arc<str>,
    pub(super) sink: Arc<dyn RevocationSink>,
    pub(super) max_lifetime: Duration,
    name: &'static str,
    seen: Seen,
    samples: Arc<Samples>,
}

/// The reason for which a request is not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The token, or the request, is refused for this reason: 400.
    Refused(Kind, Cow<'static, str>),
    /// Keys or the sink cannot be had: 503.
    Unavailable(String),
}

impl NotTaken {
    /// Returns whether the token was received before, and everything it says was handed over.
    #[cfg(feature = "outbound")]
    pub(super) fn is_repeated(&self) -> bool {
        matches!(self, NotTaken::Refused(_, detail) if detail == REPEATED)
    }
}

impl Receiver {
    pub(super) fn new(
        name: &'static str,
        verifier: &Verifier,
        audience: String,
        sink: Arc<dyn RevocationSink>,
        max_lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        if audience.is_empty() {
            faults.push(Fault::new("audience", "is empty; name what tokens for this receiver have in `aud`"));
        }
        if max_lifetime.is_zero() {
            faults
                .push(Fault::new("max_lifetime", "is zero; state the longest lifetime of the issuer's access tokens"));
        }
        ConfigError::check(faults)?;
        let (verifier, audience) = (verifier.clone(), audience.into());
        Ok(Receiver { verifier, audience, sink, max_lifetime, name, seen: Seen::new(), samples: Arc::default() })
    }

    /// Reads the body of a request of this media type, as text.
    pub(super) async fn read(&self, request: Request, media_type: &str) -> Result<String, NotTaken> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let found = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !found.eq_ignore_ascii_case(media_type) {
            return Err(malformed("the Content-Type is not that of this endpoint"));
        }
        let body = rt::within(BODY_TIME, to_bytes(request.into_body(), MAX_BODY_BYTES)).await;
        let bytes =
            body.and_then(Result::ok).ok_or_else(|| malformed("the body is too long, or did not come in time"))?;
        String::from_utf8(bytes.into()).map_err(|_| malformed("the body is not UTF-8"))
    }

    /// The event of a token, whose key is fetched if it is not cached.
    pub(super) async fn checked<T>(
        &self,
        check: impl Fn(Option<&RefreshOutcome>) -> EventCheck<T>,
    ) -> Result<T, NotTaken> {
        let mut checked = check(None);
        if let EventCheck::NeedsKeys(keys) = &checked {
            let outcome = keys.refresh().await;
            checked = check(Some(&outcome));
        }
        match checked {
            EventCheck::Genuine(event) => Ok(event),
            EventCheck::Refused(error) if error.is_unavailable() => Err(NotTaken::Unavailable(error.to_string())),
            EventCheck::Refused(error) => Err(NotTaken::Refused(error.kind(), error.detail().to_owned().into())),
            EventCheck::NeedsKeys(_) => Err(NotTaken::Unavailable("the key of the token is not here".to_owned())),
        }
    }

    /// Hands over the notices of a token, unless it was received before.
    pub(super) async fn hand_over(
        &self,
        issuer: &str,
        token_id: &str,
        expires_at: Option<UnixTime>,
        notices: Vec<RevocationNotice>,
    ) -> Result<(), NotTaken> {
        let now = self.verifier.clock().now();
        let longest = now.saturating_add(LONGEST_MEMORY);
        // Tokens are accepted for the leeway past their expiry, which is at most five minutes.
        let until = expires_at.map_or(longest, |at| at.saturating_add(Duration::from_secs(300)).min(longest));
        let received = self.seen.begin(issuer, token_id, until, now).map_err(|problem| match problem {
            NotNew::Repeated => invalid(REPEATED),
            NotNew::Full => NotTaken::Unavailable("too many tokens of this issuer".to_owned()),
        })?;
        for notice in notices {
            let taken = rt::within(SINK_TIME, self.sink.revoke(notice)).await;
            let taken =
                taken.unwrap_or_else(|| Err(SinkError::Unavailable("the sink did not answer in time".to_owned())));
            taken.map_err(|error| NotTaken::Unavailable(error.to_string()))?;
        }
        Received::keep(received);
        telemetry::security_event_taken(self.name, issuer);
        Ok(())
    }

    /// Logs a request that was not taken, and returns the status of its response.
    pub(super) fn log(&self, problem: &NotTaken) -> StatusCode {
        let elapsed = self.verifier.clock().elapsed();
        match problem {
            NotTaken::Refused(kind, detail) => {
                telemetry::security_event_refused(self.name, *kind, detail, &self.samples, elapsed);
                StatusCode::BAD_REQUEST
            }
            NotTaken::Unavailable(detail) => {
                telemetry::security_event_not_taken(self.name, detail, &self.samples, elapsed);
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

/// The time before which tokens are meant by an event of this second: those that were issued earlier in it have the same `iat`.
pub(super) fn end_of_second(at: UnixTime) -> UnixTime {
    at.saturating_add(Duration::from_secs(1))
}

/// A response that no cache keeps.
pub(super) fn response(status: StatusCode, body: Option<&serde_json::Value>) -> Response<Body> {
    let mut response = Response::new(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

pub(super) fn malformed(detail: &'static str) -> NotTaken {
    NotTaken::Refused(Kind::Malformed, detail.into())
}

pub(super) fn invalid(detail: &'static str) -> NotTaken {
    NotTaken::Refused(Kind::InvalidClaim, detail.into())
}

/// Without the state.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("name", &self.name).field("audience", &self.audience).finish_non_exhaustive()
    }
}
