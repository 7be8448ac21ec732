//! A caller on a request: a real token of the test issuer, for the app's own verifier to check.

use axum::http::{HeaderValue, Request, header, request};

use crate::draft::TokenDraft;

/// A request that a caller can be put on: one that is built, or one that is being built.
pub trait BearerAuth: private::Sealed + Sized {
    /// The same with this bearer token in place of any other.
    #[must_use]
    fn bearer_auth(self, token: &str) -> Self;
}

mod private {
    pub trait Sealed {}
    impl<B> Sealed for axum::http::Request<B> {}
    impl Sealed for axum::http::request::Builder {}
}

impl<B> BearerAuth for Request<B> {
    fn bearer_auth(mut self, token: &str) -> Self {
        self.headers_mut().insert(header::AUTHORIZATION, bearer(token));
        self
    }
}

impl BearerAuth for request::Builder {
    fn bearer_auth(mut self, token: &str) -> Self {
        if let Some(headers) = self.headers_mut() {
            headers.insert(header::AUTHORIZATION, bearer(token));
        } // else the builder has failed already, and says so when it is finished
        self
    }
}

impl TokenDraft {
    /// Signs the token and puts it on a request: one call puts a caller there.
    ///
    /// Nothing is skipped: the app's layer, verifier and guards see a token like any other.
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

fn bearer(token: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token fits a header");
    value.set_sensitive(true);
    value
}
