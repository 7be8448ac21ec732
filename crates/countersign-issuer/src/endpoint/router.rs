//! The routes of an issuer.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use url::Url;

use super::{discovery, introspection, jwks, revocation, status_list, token};
use crate::oauth::OAuthError;
use crate::service::Issuer;

impl Issuer {
    /// The endpoints, at their paths under the issuer's name: `/token`, `/introspect`, `/revoke`, `/jwks`, the
    /// status lists if there are any, and both discovery documents. Merge the router into an application at its root, not below a path: it already includes the
    /// path of the issuer.
    ///
    /// Start the server with `into_make_service_with_connect_info::<SocketAddr>()`, so that failed authentications are
    /// counted by address.
    ///
    /// The certificate of a client counts if the request has the extension
    /// [`PeerCertificate`](countersign_core::proof::PeerCertificate), which `ReadCertificateLayer` of the crate `countersign` inserts:
    /// of the connection, or from the header of a named proxy. The issuer reads no header with a certificate.
    ///
    /// ```
    /// use countersign_issuer::Issuer;
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
    /// let app = axum::Router::new().merge(issuer.router());
    /// # let _: axum::Router = app;
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn router(&self) -> Router {
        let base = self.base_path();
        Router::new()
            .route(&format!("{base}/token"), post(token::token).fallback(refuse_method))
            .route(&format!("{base}/introspect"), post(introspection::introspection).fallback(refuse_method))
            .route(&format!("{base}/revoke"), post(revocation::revocation).fallback(refuse_method))
            .with_state(self.clone())
            .merge(self.public_routes(&discovery::document(self)))
    }

    /// Only what is public: `/jwks` and both discovery documents, which name no other endpoint.
    ///
    /// For a program that mints tokens itself and is no token service for others, such as a gateway: the services behind it fetch
    /// the keys here.
    ///
    /// ```
    /// use countersign_issuer::Issuer;
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
    /// let app: axum::Router = issuer.keys_router();
    /// # let _ = app;
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn keys_router(&self) -> Router {
        self.public_routes(&discovery::keys_document(self))
    }

    fn public_routes(&self, document: &Value) -> Router {
        let base = self.base_path();
        let document = Bytes::from(document.to_string());
        let discovery = get(move || std::future::ready(discovery::response(document.clone())));
        let lists = format!("{base}/status-lists/{{number}}");
        let router = Router::new();
        let router =
            if self.statuses().is_some() { router.route(&lists, get(status_list::status_list)) } else { router };
        router
            .route(&format!("{base}/jwks"), get(jwks::jwks))
            .route(&format!("{base}/.well-known/openid-configuration"), discovery.clone())
            .route(&format!("/.well-known/oauth-authorization-server{base}"), discovery)
            .with_state(self.clone())
    }

    /// The path in the issuer's name.
    fn base_path(&self) -> String {
        Url::parse(self.name()).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }
}

/// Answers a method other than POST in the form of the other errors.
async fn refuse_method() -> Response {
    let mut response = OAuthError::method_not_allowed().into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}
