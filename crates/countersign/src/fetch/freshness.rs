//! The one reader of `Cache-Control`, `Age`, `Expires` and `Retry-After`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// The longest `Retry-After` that is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The time that a response stays fresh: `Cache-Control: max-age` less `Age`, else `Expires`
/// ([RFC 9111 §4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)).
///
/// `None` if the response does not state it. Of contradicting values, the shortest counts. With an `Age` that cannot be read, the
/// response is not fresh.
///
/// ```
/// use std::time::Duration;
/// use countersign::integration::{fresh_for, retry_after};
/// use http::{HeaderMap, HeaderValue, header};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
/// headers.insert(header::AGE, HeaderValue::from_static("100"));
/// assert_eq!(fresh_for(&headers), Some(Duration::from_secs(200)));
/// assert_eq!(retry_after(&headers), None);
/// ```
#[must_use]
pub fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(header::CACHE_CONTROL);
    let mut max_age: Option<u64> = None;
    for directive in directives.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return Some(Duration::ZERO);
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            let seconds = seconds.trim_matches('"');
            let is_huge = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
            let stated = seconds.parse::<u64>().unwrap_or(if is_huge { u64::MAX } else { 0 });
            max_age = Some(max_age.map_or(stated, |shortest| shortest.min(stated)));
        }
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(max_age) = max_age {
        return Some(Duration::from_secs(max_age.saturating_sub(age(headers).unwrap_or(0))));
    }
    let expires = headers.get(header::EXPIRES)?;
    let expires = expires.to_str().ok().and_then(|expires| httpdate::parse_http_date(expires).ok());
    let date = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(expires) = expires else { return Some(Duration::ZERO) }; // "0" and other invalid dates: expired
    let fresh = expires.duration_since(date.unwrap_or_else(SystemTime::now)).unwrap_or_default();
    Some(fresh.saturating_sub(Duration::from_secs(age(headers).unwrap_or(0))))
}

/// The seconds since the origin gave the response, if a cache on the way states them (RFC 9111 §5.1): of several values the
/// largest. What is not a number, or too large for one, counts as endless.
pub(super) fn age(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(header::AGE).iter().map(|value| value.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(|age| age.trim().parse().unwrap_or(u64::MAX)).max()
}

/// `Retry-After` in seconds or as a date, at most a minute
/// ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            // Both dates are the server's, if it sent both: the local clock may be wrong.
            let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
            let date = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
            let until = httpdate::parse_http_date(value.trim()).ok()?;
            until.duration_since(date.unwrap_or_else(SystemTime::now)).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().expect("a name"), value.parse().expect("a value"))
        });
        headers.collect()
    }

    #[test]
    fn s4_19_every_form_of_a_lifetime() {
        let date = "Tue, 15 Nov 1994 12:00:00 GMT";
        type Headers = [(&'static str, &'static str)];
        let cases: &[(&Headers, Option<u64>)] = &[
            (&[], None),
            (&[("cache-control", "public")], None),
            (&[("cache-control", "max-age=300")], Some(300)),
            (&[("cache-control", "public, Max-Age=\"300\""), ("age", "100")], Some(200)),
            (&[("cache-control", "max-age=300"), ("age", "1000")], Some(0)),
            (&[("cache-control", "max-age=300"), ("age", "99999999999999999999")], Some(0)),
            (&[("cache-control", "max-age=300"), ("age", "soon")], Some(0)),
            (&[("cache-control", "max-age=300"), ("age", "-1")], Some(0)),
            (&[("cache-control", "max-age=300"), ("age", "10, 250")], Some(50)),
            (&[("cache-control", "max-age=300"), ("age", "10"), ("age", "250")], Some(50)),
            (&[("expires", "Tue, 15 Nov 1994 12:05:00 GMT"), ("date", date), ("age", "100")], Some(200)),
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
        for (headers, lifetime) in cases {
            assert_eq!(fresh_for(&map(headers)), lifetime.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn retry_after_is_at_most_a_minute() {
        let cases = [("5", Some(5)), ("86400", Some(60)), ("Tue, 15 Nov 1994 12:00:00 GMT", Some(0)), ("soon", None)];
        for (text, wait) in cases {
            assert_eq!(retry_after(&map(&[("retry-after", text)])), wait.map(Duration::from_secs), "{text}");
        }
        let until = [("retry-after", "Tue, 15 Nov 1994 12:00:20 GMT"), ("date", "Tue, 15 Nov 1994 12:00:00 GMT")];
        assert_eq!(retry_after(&map(&until)), Some(Duration::from_secs(20)), "by the server's own clock");
    }
}
