//! A response of a service, with assertions on it.

use std::fmt;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Response, StatusCode, header};
use countersign_core::authz::Explanation;
use serde_json::Value;

/// The largest body read, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A response with its body. Assertions can be chained, and print the response when they fail.
///
/// If a guard denied the request, they also print what of its requirement was unmet and what the caller has: `role Manager (the
/// caller has roles clerk)`. The response itself does not contain that. A response that came over a socket has lost it.
///
/// ```
/// use axum::body::Body;
/// use axum::http::Response;
/// use countersign_test::Answer;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let response = Response::builder() // in a test: app.oneshot(request).await?
///     .status(403)
///     .header("www-authenticate", r#"Bearer realm="api", error="insufficient_scope", scope="orders:write""#)
///     .header("content-type", "application/problem+json")
///     .body(Body::from(r#"{"type":"about:space","title":"Forbidden","status":403,"code":"insufficient_scope"}"#))
///     .unwrap();
/// Answer::from_response(response)
///     .await
///     .assert_refused(403, "insufficient_scope")
///     .assert_challenge("insufficient_scope")
///     .assert_required_scope("orders:write");
/// # });
/// ```
#[derive(Clone)]
#[must_use]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// The unmet parts of the requirement, which guards leave beside the answers to tokens of test keys.
    unmet: Option<Explanation>,
}

impl Answer {
    /// Reads a response with its body.
    ///
    /// # Panics
    /// If the body ends early or is larger than 16 MiB.
    pub async fn from_response<B>(response: Response<B>) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(Body::new(body), MAX_BODY_BYTES).await.expect("a body");
        let unmet = parts.extensions.get().cloned();
        Answer { status: parts.status, headers: parts.headers, body, unmet }
    }

    /// Asserts a success status.
    ///
    /// # Panics
    /// If it is another one.
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        assert!(self.status.is_success(), "expected a success, got {self:?}");
        self
    }

    /// Asserts a problem body (RFC 9457) with this status and this stable `code`.
    ///
    /// # Panics
    /// If the response is another one.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status.as_u16(), status, "expected {status} {code}, got {self:?}");
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("application/problem+json"), "not a problem body: {self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "another code: {self:?}");
        assert_eq!(problem["status"], status, "the body names another status: {self:?}");
        self
    }

    /// Asserts a `Bearer` challenge with this error (RFC 6750 §3).
    ///
    /// # Panics
    /// If the challenge is missing or has another error.
    #[track_caller]
    pub fn assert_challenge(&self, error: &str) -> &Self {
        let named = self.parameter("Bearer", "error");
        assert_eq!(named.as_deref(), Some(error), "another challenge: {self:?}");
        self
    }

    /// Asserts a `DPoP` challenge with this error (RFC 9449 §7.1), such as `invalid_dpop_proof`.
    ///
    /// ```
    /// use axum::body::Body;
    /// use axum::http::Response;
    /// use countersign_test::Answer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let response = Response::builder()
    ///     .status(401)
    ///     .header("www-authenticate", r#"DPoP realm="api", error="invalid_dpop_proof", algs="ES256""#)
    ///     .body(Body::empty())
    ///     .unwrap();
    /// Answer::from_response(response).await.assert_dpop_challenge("invalid_dpop_proof");
    /// # });
    /// ```
    ///
    /// # Panics
    /// If the challenge is missing or has another error.
    #[track_caller]
    pub fn assert_dpop_challenge(&self, error: &str) -> &Self {
        let named = self.parameter("DPoP", "error");
        assert_eq!(named.as_deref(), Some(error), "another challenge: {self:?}");
        self
    }

    /// Asserts a 401 with a challenge without an error, as for a request without a token.
    ///
    /// # Panics
    /// If the status is another one, or the challenge is missing or has an error.
    #[track_caller]
    pub fn assert_token_requested(&self) -> &Self {
        assert_eq!(self.status, StatusCode::UNAUTHORIZED, "expected 401, got {self:?}");
        assert!(
            self.challenge("Bearer").is_some() && self.parameter("Bearer", "error").is_none(),
            "another challenge: {self:?}"
        );
        self
    }

    /// Asserts a challenge that requires these scopes, in this order.
    ///
    /// # Panics
    /// If it requires others or none.
    #[track_caller]
    pub fn assert_required_scope(&self, scope: &str) -> &Self {
        assert_eq!(self.parameter("Bearer", "scope").as_deref(), Some(scope), "other scopes: {self:?}");
        self
    }

    /// Asserts a challenge that requires a fresher or stronger authentication (RFC 9470).
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn assert_step_up(&self) -> &Self {
        self.assert_challenge("insufficient_user_authentication")
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// The parameters of the first challenge of this scheme.
    fn challenge(&self, scheme: &str) -> Option<&str> {
        let values = self.headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        values.filter_map(|value| value.strip_prefix(scheme)).next()
    }

    /// A parameter of the challenge. Services of this project quote them, without quotes inside.
    fn parameter(&self, scheme: &str, name: &str) -> Option<String> {
        let parameters = self.challenge(scheme)?.split([' ', ',']).collect::<Vec<_>>().join(" ");
        let (_, rest) = parameters.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    }
}

/// Shows status, challenge and body, and what of a requirement was unmet.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut answer = f.debug_struct("Answer");
        let challenges: Vec<_> = self.headers.get_all(header::WWW_AUTHENTICATE).iter().collect();
        answer.field("status", &self.status()).field("challenges", &challenges).field("body", &self.text());
        if let Some(unmet) = &self.unmet {
            answer.field("unmet", &format_args!("{unmet}"));
        }
        answer.finish_non_exhaustive()
    }
}
