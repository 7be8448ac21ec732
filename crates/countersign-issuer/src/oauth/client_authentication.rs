//! The credentials that a client sends: exactly one kind per request (RFC 6749 §2.3).

use axum::http::{HeaderMap, header};
use countersign_core::key::Thumbprint;
use countersign_core::proof::VerifiedCertificate;
use countersign_core::secret::Secret;
use countersign_core::token::Unverified;

use super::form::decode;
use super::{Form, OAuthError};

/// The longest client id, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// The only supported `client_assertion_type` (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest secret, in bytes.
const MAX_SECRET_BYTES: usize = 1024;

/// The client that a request names and its credential, both unchecked.
pub(crate) struct ClientIdentification {
    pub(crate) client_id: String,
    pub(crate) credential: ClientCredential,
}

/// A credential as it was sent.
pub(crate) enum ClientCredential {
    Secret(Secret<String>),
    /// A JWT signed by the client.
    Assertion(Secret<String>),
    /// The certificate of the connection.
    Certificate(PresentedCertificate),
}

/// The certificate of a connection. Its names count only if its chain was verified.
pub(crate) struct PresentedCertificate {
    pub(crate) thumbprint: Thumbprint,
    pub(crate) verified: Option<VerifiedCertificate>,
}

impl ClientIdentification {
    /// Reads the credential from the header or the form. Without one in either, the client authenticates by the `certificate` of
    /// its connection (RFC 8705 §2).
    ///
    /// # Errors
    /// `invalid_request` for two credentials, `invalid_client` for none or a malformed one.
    pub(crate) fn from_request(
        headers: &HeaderMap,
        form: &Form,
        certificate: Option<Thumbprint>,
        verified: Option<VerifiedCertificate>,
    ) -> Result<Self, OAuthError> {
        const TWO_CREDENTIALS: OAuthError = OAuthError::invalid_request("more than one client credential; send one");
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let header = lines.next();
        if lines.next().is_some() {
            return Err(TWO_CREDENTIALS);
        }
        let in_body = form.one("client_secret");
        let assertion = form.one("client_assertion");
        if assertion.is_none() && form.one("client_assertion_type").is_some() {
            return Err(OAuthError::invalid_request("client_assertion_type without client_assertion"));
        }
        let is_named = |id: &str| form.one("client_id").is_none_or(|named| named == id);
        let presented = match (header, in_body, assertion) {
            (Some(header), None, None) => from_basic(header.as_bytes()),
            (None, Some(secret), None) => form.one("client_id").and_then(|id| from_secret(id, secret)),
            (None, None, Some(assertion)) if form.one("client_assertion_type") == Some(JWT_BEARER) => {
                from_assertion(assertion)
            }
            (None, None, Some(_)) => None,
            (None, None, None) => {
                let presented = certificate.map(|thumbprint| PresentedCertificate { thumbprint, verified });
                form.one("client_id").zip(presented).map(|(id, presented)| from_certificate(id, presented))
            }
            _ => return Err(TWO_CREDENTIALS),
        };
        presented
            .filter(|found| (1..=MAX_CLIENT_ID_BYTES).contains(&found.client_id.len()) && is_named(&found.client_id))
            .ok_or(OAuthError::invalid_client())
    }
}

/// Refuses a client credential beside another one.
///
/// # Errors
/// `invalid_request` if the request has a client credential of any kind.
pub(crate) fn refuse_credential(headers: &HeaderMap, form: &Form) -> Result<(), OAuthError> {
    const PARAMETERS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];
    if headers.contains_key(header::AUTHORIZATION) || PARAMETERS.iter().any(|name| form.one(name).is_some()) {
        return Err(OAuthError::invalid_request("more than one client credential; send one"));
    }
    Ok(())
}

fn from_secret(client_id: &str, secret: &str) -> Option<ClientIdentification> {
    let credential = ClientCredential::Secret(Secret::new(secret.to_owned()));
    (secret.len() <= MAX_SECRET_BYTES).then(|| ClientIdentification { client_id: client_id.to_owned(), credential })
}

fn from_certificate(client_id: &str, certificate: PresentedCertificate) -> ClientIdentification {
    ClientIdentification { client_id: client_id.to_owned(), credential: ClientCredential::Certificate(certificate) }
}

/// Takes the client id from the unverified `iss` of the assertion; it only selects the keys to check with.
fn from_assertion(assertion: &str) -> Option<ClientIdentification> {
    let client_id = Unverified::parse(assertion).ok()?.issuer()?.to_owned();
    let credential = ClientCredential::Assertion(Secret::new(assertion.to_owned()));
    Some(ClientIdentification { client_id, credential })
}

/// Reads `Basic` credentials; both halves are form-encoded (RFC 6749 §2.3.1).
fn from_basic(header: &[u8]) -> Option<ClientIdentification> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let pair = Secret::new(base64_simd::STANDARD.decode_to_vec(encoded.trim_ascii()).ok()?);
    let colon = pair.expose().iter().position(|byte| *byte == b':')?;
    let (id, secret) = pair.expose().split_at_checked(colon)?;
    from_secret(&decode(id)?, &decode(secret.get(1..)?)?)
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
        let found = ClientIdentification::from_request(&headers, &form, None, None).map_err(|error| error.code)?;
        match found.credential {
            ClientCredential::Secret(sent) | ClientCredential::Assertion(sent) => {
                Ok((found.client_id, sent.expose().clone()))
            }
            ClientCredential::Certificate(_) => Err("a certificate"),
        }
    }

    #[test]
    fn s8_06_basic_is_form_decoded() {
        let found = find(&["Basic YSUzQWI6cCU0MHNzKyUyNSUyQiVDMyVCQw=="], "").expect("the vector of S7.02");
        assert_eq!(found, ("a:b".to_owned(), "p@ss %+ü".to_owned()));
        assert_eq!(find(&["basic YTpi"], "client_id=a").expect("the scheme is not case-sensitive").0, "a");
    }

    #[test]
    fn s8_06_exactly_one_credential_is_accepted() {
        assert_eq!(find(&["Basic YTpi"], "client_id=a&client_secret=b"), Err("invalid_request"));
        assert_eq!(find(&["Basic YTpi", "Basic YTpi"], ""), Err("invalid_request"));
        assert_eq!(find(&["Basic YTpi"], "client_assertion_type=x"), Err("invalid_request"), "half of another one");
        assert_eq!(find(&[], "client_id=a&client_secret=b").expect("post").1, "b");
        for (lines, body) in [
            (&[][..], ""),
            (&[], "client_id=a"),
            (&[], "client_secret=b"),
            (&["Bearer x"], ""),
            (&["Token YTpi"], ""), // as long as the right one
            (&["Basic"], ""),
            (&["Basic !!"], ""),
            (&["Basic YQ=="], ""),            // no colon
            (&["Basic JTp4"], ""),            // a broken escape
            (&["Basic YTpi"], "client_id=c"), // another name in the body
        ] {
            assert_eq!(find(lines, body), Err("invalid_client"), "{lines:?} {body}");
        }
    }

    #[test]
    fn s8_06_client_ids_and_secrets_have_a_bounded_length() {
        for (id, secret, is_fine) in [(256, 1024, true), (0, 1, false), (257, 1, false), (1, 1025, false)] {
            let body = format!("client_id={}&client_secret={}", "a".repeat(id), "b".repeat(secret));
            assert_eq!(find(&[], &body).is_ok(), is_fine, "{id} {secret}");
        }
    }

    #[test]
    fn s8_19_an_assertion_has_its_type() {
        let encode = |json: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(json);
        let assertion = format!("{}.{}.AAAA", encode(r#"{"alg":"ES256"}"#), encode(r#"{"iss":"a"}"#));
        let find = |kind: &str| find(&[], &format!("client_assertion={assertion}&client_assertion_type={kind}"));
        assert_eq!(find(JWT_BEARER).expect("the only one").0, "a");
        assert_eq!(find("urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), Err("invalid_client"));
        assert_eq!(find(""), Err("invalid_client"));
    }

    #[test]
    fn s8_06_a_certificate_counts_only_without_another_credential_and_with_a_client_id() {
        let certificate = Thumbprint::of_certificate(b"der");
        let find = |authorization: Option<&'static str>, body: &str, certificate| {
            let mut headers = HeaderMap::new();
            headers.extend(authorization.map(|line| (header::AUTHORIZATION, HeaderValue::from_static(line))));
            let form = Form::parse(body.as_bytes()).map_err(|error| error.code).expect("a form");
            let found = ClientIdentification::from_request(&headers, &form, certificate, None);
            found.map(|found| matches!(found.credential, ClientCredential::Certificate(_))).map_err(|error| error.code)
        };
        assert_eq!(find(None, "client_id=a", Some(certificate)), Ok(true));
        assert_eq!(find(None, "client_id=a", None), Err("invalid_client"));
        assert_eq!(find(None, "", Some(certificate)), Err("invalid_client"));
        assert_eq!(find(None, "client_id=", Some(certificate)), Err("invalid_client"));
        assert_eq!(find(Some("Basic YTpi"), "client_id=a", Some(certificate)), Ok(false));
        assert_eq!(find(None, "client_id=a&client_secret=b", Some(certificate)), Ok(false));
        // A credential that cannot be read is not replaced by the certificate.
        assert_eq!(find(Some("Bearer x"), "client_id=a", Some(certificate)), Err("invalid_client"));
        assert_eq!(find(None, "client_id=a&client_assertion=x", Some(certificate)), Err("invalid_client"));
        assert_eq!(find(None, "client_id=a&client_assertion_type=x", Some(certificate)), Err("invalid_request"));
    }

    #[test]
    fn s8_06_no_credential_stands_beside_another_one() {
        let refused = |headers: &HeaderMap, body: &str| {
            let form = Form::parse(body.as_bytes()).map_err(|error| error.code).expect("a form");
            refuse_credential(headers, &form).is_err()
        };
        let mut headers = HeaderMap::new();
        assert!(!refused(&headers, "assertion=x&client_id=a"));
        for body in ["client_secret=b", "client_assertion=x", "client_assertion_type=x"] {
            assert!(refused(&headers, body), "{body}");
        }
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(refused(&headers, "assertion=x"));
    }
}
