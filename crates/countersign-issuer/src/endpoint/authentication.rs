//! How a client says who it is: exactly one way a request (RFC 6749 §2.3).

use axum::http::{HeaderMap, header};
use countersign_core::secret::Secret;
use countersign_core::token::Unverified;

use super::form::decode;
use super::{Form, OAuthError};

/// The longest client id, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// What `client_assertion_type` must be (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest secret, in bytes.
const MAX_SECRET_BYTES: usize = 1024;

/// What a request presents as proof, unchecked.
pub(crate) struct Presented {
    pub(crate) client_id: String,
    pub(crate) proof: Proof,
}

/// What is to prove it.
pub(crate) enum Proof {
    Secret(Secret<String>),
    /// A JWT signed by the client.
    Assertion(Secret<String>),
}

impl Presented {
    /// Finds it.
    ///
    /// # Errors
    /// `invalid_request` for two ways at once, `invalid_client` for none or a malformed one.
    pub(crate) fn find(headers: &HeaderMap, form: &Form) -> Result<Self, OAuthError> {
        const TWO_WAYS: OAuthError = OAuthError::invalid_request("authenticate in one way, not in two");
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let header = lines.next();
        if lines.next().is_some() {
            return Err(TWO_WAYS);
        }
        let in_body = form.one("client_secret");
        let assertion = form.one("client_assertion");
        let is_named = |id: &str| form.one("client_id").is_none_or(|named| named == id);
        let presented = match (header, in_body, assertion) {
            (Some(header), None, None) => basic(header.as_bytes()),
            (None, Some(secret), None) => form.one("client_id").and_then(|id| of_secret(id, secret)),
            (None, None, Some(assertion)) if form.one("client_assertion_type") == Some(JWT_BEARER) => {
                of_assertion(assertion)
            }
            (None, None, _) => None,
            _ => return Err(TWO_WAYS),
        };
        presented
            .filter(|found| (1..=MAX_CLIENT_ID_BYTES).contains(&found.client_id.len()) && is_named(&found.client_id))
            .ok_or(OAuthError::invalid_client())
    }
}

fn of_secret(client_id: &str, secret: &str) -> Option<Presented> {
    let proof = Proof::Secret(Secret::new(secret.to_owned()));
    (secret.len() <= MAX_SECRET_BYTES).then(|| Presented { client_id: client_id.to_owned(), proof })
}

/// Whom an assertion speaks of is only known from itself; nothing of it is believed yet.
fn of_assertion(assertion: &str) -> Option<Presented> {
    let client_id = Unverified::parse(assertion).ok()?.issuer()?.to_owned();
    Some(Presented { client_id, proof: Proof::Assertion(Secret::new(assertion.to_owned())) })
}

/// `Basic` credentials, each half form-decoded (RFC 6749 §2.3.1).
fn basic(header: &[u8]) -> Option<Presented> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let pair = Secret::new(base64_simd::STANDARD.decode_to_vec(encoded.trim_ascii()).ok()?);
    let colon = pair.expose().iter().position(|byte| *byte == b':')?;
    let (id, secret) = pair.expose().split_at_checked(colon)?;
    of_secret(&decode(id)?, &decode(secret.get(1..)?)?)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn find(authorization: &[&'static str], body: &str) -> Result<(String, String), &'static str> {
        let mut headers = HeaderMap::new();
        for line in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        let form = Form::parse(body.as_bytes()).map_err(|e| e.code).expect("a form");
        let found = Presented::find(&headers, &form).map_err(|error| error.code)?;
        let (Proof::Secret(proof) | Proof::Assertion(proof)) = found.proof;
        Ok((found.client_id, proof.expose().clone()))
    }

    #[test]
    fn s8_06_basic_is_form_decoded() {
        let found = find(&["Basic YSUzQWI6cCU0MHNzKyUyNSUyQiVDMyVCQw=="], "").expect("the vector of S7.02");
        assert_eq!(found, ("a:b".to_owned(), "p@ss %+ü".to_owned()));
        assert_eq!(find(&["basic YTpi"], "client_id=a").expect("the scheme has no case").0, "a");
    }

    #[test]
    fn s8_06_exactly_one_way_of_authentication() {
        assert_eq!(find(&["Basic YTpi"], "client_id=a&client_secret=b"), Err("invalid_request"));
        assert_eq!(find(&["Basic YTpi", "Basic YTpi"], ""), Err("invalid_request"));
        assert_eq!(find(&[], "client_id=a&client_secret=b").expect("post").1, "b");
        for (lines, body) in [
            (&[][..], ""),
            (&[], "client_id=a"),
            (&[], "client_secret=b"),
            (&["Bearer x"], ""),
            (&["Basic"], ""),
            (&["Basic !!"], ""),
            (&["Basic YQ=="], ""),            // no colon
            (&["Basic JTp4"], ""),            // a broken escape
            (&["Basic YTpi"], "client_id=c"), // another name in the body
        ] {
            assert_eq!(find(lines, body), Err("invalid_client"), "{lines:?} {body}");
        }
    }
}
