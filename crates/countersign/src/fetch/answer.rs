//! An answer read within bounds, or why there is none.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use reqwest::Response;

use super::reach::NotPublic;

/// The longest `Retry-After` believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer to use. Holds no address and no text of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchFailure {
    /// The TLS client could not be set up on this machine.
    NoClient,
    /// No connection.
    Connect,
    /// The address lies in a private network, and was not written down by the operator.
    NotPublic,
    /// Not in time.
    Timeout,
    /// The connection broke, or spoke no HTTP.
    Broken,
    /// The answer was longer than allowed.
    TooLarge,
    /// Another status than wanted, with its `Retry-After`.
    Status(StatusCode, Option<Duration>),
    /// The answer's content is not usable, and why.
    Unusable(&'static str),
}

#[cfg(feature = "remote-keys")]
impl FetchFailure {
    /// Whether the other side answered, with something that must not be believed.
    pub(crate) const fn is_about_content(&self) -> bool {
        matches!(self, FetchFailure::Unusable(_) | FetchFailure::TooLarge)
    }
}

impl Answer {
    pub(super) async fn read(mut response: Response, max_bytes: usize) -> Result<Self, FetchFailure> {
        let declared = response.content_length().unwrap_or(0);
        if usize::try_from(declared).map_or(true, |declared| declared > max_bytes) {
            return Err(FetchFailure::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchFailure::from_reqwest(&error))? {
            if body.len() + chunk.len() > max_bytes {
                return Err(FetchFailure::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status();
        Ok(Answer { status, headers: std::mem::take(response.headers_mut()), body: body.into() })
    }

    /// The failure that this answer is, for those who wanted another status.
    pub(crate) fn unexpected_status(&self) -> FetchFailure {
        FetchFailure::Status(self.status, self.retry_after())
    }

    /// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), at most a minute.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        let wait = match value.trim().parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
        };
        Some(wait.min(MAX_RETRY_AFTER))
    }

    /// How long the answer is fresh by `Cache-Control: max-age` less `Age`, else by `Expires` (RFC 9111 §4.2.1);
    /// `None` where it does not say. Where it contradicts itself, the shortest holds.
    pub(crate) fn life(&self) -> Option<Duration> {
        let directives = self.headers.get_all(header::CACHE_CONTROL);
        let mut max_age: Option<u64> = None;
        for directive in directives.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(Duration::ZERO);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                let seconds = seconds.trim_matches('"');
                let is_huge = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
                let named = seconds.parse::<u64>().unwrap_or(if is_huge { u64::MAX } else { 0 });
                max_age = Some(max_age.map_or(named, |shortest| shortest.min(named)));
            }
        }
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        if let Some(max_age) = max_age {
            let age = text(header::AGE).and_then(|age| age.parse::<u64>().ok()).unwrap_or(0);
            return Some(Duration::from_secs(max_age.saturating_sub(age)));
        }
        let expires = self.headers.get(header::EXPIRES)?;
        let expires = expires.to_str().ok().and_then(|expires| httpdate::parse_http_date(expires).ok());
        let date = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let Some(expires) = expires else { return Some(Duration::ZERO) }; // "0" and the like: over already
        Some(expires.duration_since(date.unwrap_or_else(SystemTime::now)).unwrap_or_default())
    }
}

impl FetchFailure {
    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        if causes.any(<dyn std::error::Error>::is::<NotPublic>) {
            FetchFailure::NotPublic
        } else if error.is_timeout() {
            FetchFailure::Timeout
        } else if error.is_connect() {
            FetchFailure::Connect
        } else {
            FetchFailure::Broken
        }
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchFailure::NoClient => f.write_str("the TLS client could not be set up; are there root certificates?"),
            FetchFailure::Connect => f.write_str("no connection"),
            FetchFailure::NotPublic => f.write_str("the address lies in a private network, which was not allowed"),
            FetchFailure::Timeout => f.write_str("no answer in time"),
            FetchFailure::Broken => f.write_str("the connection broke"),
            FetchFailure::TooLarge => f.write_str("the answer is larger than allowed"),
            FetchFailure::Status(status, _) => write!(f, "status {}", status.as_u16()),
            FetchFailure::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().expect("a name"), value.parse().expect("a value"))
        });
        Answer { status: StatusCode::OK, headers: headers.collect(), body: Bytes::new() }
    }

    #[test]
    fn s4_19_every_form_of_a_life() {
        let date = "Tue, 15 Nov 1994 12:00:00 GMT";
        type Headers = [(&'static str, &'static str)];
        let cases: &[(&Headers, Option<u64>)] = &[
            (&[], None),
            (&[("cache-control", "public")], None),
            (&[("cache-control", "max-age=300")], Some(300)),
            (&[("cache-control", "public, Max-Age=\"300\""), ("age", "100")], Some(200)),
            (&[("cache-control", "max-age=300"), ("age", "1000")], Some(0)),
            (&[("cache-control", "max-age=300, max-age=200")], Some(200)),
            (&[("cache-control", "max-age=nonsense")], Some(0)),
            (&[("cache-control", "max-age=99999999999999999999999")], Some(u64::MAX)),
            (&[("cache-control", "no-store, max-age=300")], Some(0)),
            (&[("cache-control", "no-cache")], Some(0)),
            (&[("expires", "Tue, 15 Nov 1994 12:05:00 GMT"), ("date", date)], Some(300)),
            (&[("expires", "Tue, 15 Nov 1994 11:05:00 GMT"), ("date", date)], Some(0)),
            (&[("expires", "0")], Some(0)),
            (&[("expires", "0"), ("cache-control", "max-age=60")], Some(60)),
        ];
        for (headers, life) in cases {
            assert_eq!(answer(headers).life(), life.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn retry_after_is_believed_up_to_a_minute() {
        let cases = [("5", Some(5)), ("86400", Some(60)), ("Tue, 15 Nov 1994 12:00:00 GMT", Some(0)), ("soon", None)];
        for (text, wait) in cases {
            assert_eq!(answer(&[("retry-after", text)]).retry_after(), wait.map(Duration::from_secs), "{text}");
        }
    }
}
