//! Tokens on requests, for the app's own verifier to check.

use axum::http::{HeaderValue, Request, header, request};

use crate::draft::TokenDraft;

/// A request, or a builder of one, that can carry a token.
///
/// ```
/// use axum::http::Request;
/// use countersign_test::BearerAuth;
///
/// let request = Request::get("/orders").bearer_auth("a-token").body(()).unwrap();
/// assert_eq!(request.headers()["authorization"], "Bearer a-token");
/// ```
pub trait BearerAuth: private::Sealed + Sized {
    /// The same request with this bearer token, in place of any other.
    #[must_use]
    fn bearer_auth(mut self, token: &str) -> Self {
        if let Some(headers) = self.headers() {
            headers.insert(header::AUTHORIZATION, credential("Bearer", token));
        }
        self
    }

    /// The same request with this transaction token (`Txn-Token`), in place of any other, beside the caller's own token.
    ///
    /// ```
    /// use axum::http::Request;
    /// use countersign_test::BearerAuth;
    ///
    /// let request = Request::get("/orders").bearer_auth("a-token").txn_token("a-transaction-token").body(()).unwrap();
    /// assert_eq!(request.headers()["txn-token"], "a-transaction-token");
    /// ```
    #[must_use]
    fn txn_token(mut self, token: &str) -> Self {
        if let Some(headers) = self.headers() {
            headers.insert("txn-token", sensitive(token));
        }
        self
    }

    /// The same request with this bound token and this proof (RFC 9449 §7.1), in place of any others.
    ///
    /// [`TestProof::on`](crate::TestProof::on) makes both in one call.
    ///
    /// ```
    /// use axum::http::Request;
    /// use countersign_test::BearerAuth;
    ///
    /// let request = Request::get("/orders").dpop_auth("a-token", "a-proof").body(()).unwrap();
    /// assert_eq!(request.headers()["authorization"], "DPoP a-token");
    /// assert_eq!(request.headers()["dpop"], "a-proof");
    /// ```
    #[must_use]
    fn dpop_auth(mut self, token: &str, proof: &str) -> Self {
        if let Some(headers) = self.headers() {
            headers.insert(header::AUTHORIZATION, credential("DPoP", token));
            headers.insert("dpop", HeaderValue::from_str(proof).expect("a proof fits a header"));
        }
        self
    }
}

mod private {
    use axum::http::{HeaderMap, Request, request};

    pub trait Sealed {
        /// The headers; none of a builder that has failed, which reports it in `body`.
        fn headers(&mut self) -> Option<&mut HeaderMap>;
    }

    impl<B> Sealed for Request<B> {
        fn headers(&mut self) -> Option<&mut HeaderMap> {
            Some(self.headers_mut())
        }
    }

    impl Sealed for request::Builder {
        fn headers(&mut self) -> Option<&mut HeaderMap> {
            self.headers_mut()
        }
    }
}

impl<B> BearerAuth for Request<B> {}
impl BearerAuth for request::Builder {}

impl TokenDraft {
    /// Signs the token and attaches it to a request.
    ///
    /// No check is skipped: the app's layer, verifier and guards see a token like any other.
    ///
    /// ```
    /// use axum::http::Request;
    /// use countersign_test::TestIssuer;
    ///
    /// let issuer = TestIssuer::new();
    /// let request = issuer.token().subject("ann").audience("orders").scope("orders:read").on(Request::get("/orders"));
    /// let request = request.body(()).unwrap();
    /// assert!(request.headers()["authorization"].to_str().unwrap().starts_with("Bearer ey"));
    /// ```
    #[must_use]
    pub fn on<R: BearerAuth>(&self, request: R) -> R {
        request.bearer_auth(&self.sign())
    }
}

fn credential(scheme: &str, token: &str) -> HeaderValue {
    sensitive(&format!("{scheme} {token}"))
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("a token fits a header");
    value.set_sensitive(true);
    value
}
