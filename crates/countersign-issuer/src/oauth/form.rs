//! Form bodies, read strictly: a malformed body or a repeated parameter is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use zeroize::Zeroizing;

use super::OAuthError;

/// The largest body read, in bytes: enough for an encoded subject and actor token of 16 KiB each.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The longest time for the body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The most parameters of one request.
const MAX_PARAMETERS: usize = 64;

/// Parameters that may occur more than once (RFC 8693 §2.1, RFC 8707 §2).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of a request. Values may be secrets or tokens, so they are wiped on drop.
pub(crate) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads the body of a request.
    pub(crate) async fn from_request(request: Request) -> Result<(HeaderMap, Self), OAuthError> {
        let (parts, body) = request.into_parts();
        if !is_form(&parts.headers) {
            return Err(OAuthError::invalid_request("content-type is not application/x-www-form-urlencoded"));
        }
        // Something on the way could read what is not read here.
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(OAuthError::invalid_request("the URL has a query; send all parameters in the body"));
        }
        if parts.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(OAuthError::invalid_request("content-encoding is not supported"));
        }
        Ok((parts.headers, Form::parse(&Zeroizing::new(read(body).await?))?))
    }

    pub(crate) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let mut parameters = Vec::new();
        let mut seen = BTreeSet::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut decode = || decode(halves.next().unwrap_or_default());
            let (Some(name), Some(value)) = (decode(), decode()) else {
                return Err(OAuthError::invalid_request("the body is malformed"));
            };
            if !REPEATABLE.contains(&name.as_str()) && !seen.insert(name.to_string()) {
                return Err(OAuthError::invalid_request("a parameter is repeated"));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(OAuthError::invalid_request("more than 64 parameters"));
            }
            parameters.push((name.to_string(), value));
        }
        Ok(Form(parameters))
    }

    /// The value of a parameter. An empty value counts as absent (RFC 6749 §3.2).
    pub(crate) fn one<'f>(&'f self, name: &str) -> Option<&'f str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let named = self.0.iter().filter(move |(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }
}

/// Shows parameter names only.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let essence = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn read(body: Body) -> Result<Vec<u8>, OAuthError> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await;
    read.map_err(|_| OAuthError::too_slow())?.map(Vec::from).map_err(|error| {
        let is_too_large =
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        if is_too_large { OAuthError::too_large() } else { OAuthError::invalid_request("the body is incomplete") }
    })
}

/// Decodes `application/x-www-form-urlencoded` text. `None` for a bad escape or invalid UTF-8.
pub(super) fn decode(encoded: &[u8]) -> Option<Zeroizing<String>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? * 16 + low?).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(decoded).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str) -> Option<String> {
        Form::parse(body.as_bytes()).ok().and_then(|form| form.one("a").map(str::to_owned))
    }

    #[test]
    fn forms_are_decoded_strictly() {
        assert_eq!(value("a=p%40ss+%25%2B%C3%BC").as_deref(), Some("p@ss %+ü"));
        assert_eq!(value("b=1&a=x=y").as_deref(), Some("x=y"));
        assert_eq!(value("a="), None, "an empty value counts as absent");
        assert_eq!(value("a"), None);
        for malformed in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%+1", "%=1"] {
            assert!(Form::parse(malformed.as_bytes()).is_err(), "{malformed}");
        }
    }

    #[test]
    fn s8_07_a_repeated_parameter_is_refused() {
        assert!(Form::parse(b"a=1&a=1").is_err());
        assert!(Form::parse(b"a=1&%61=1").is_err(), "also in another spelling");
        let form = Form::parse(b"resource=x&resource=y&audience=").map_err(|e| e.code).expect("these may be repeated");
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        let many = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(many.as_bytes()).is_err());
    }
}
