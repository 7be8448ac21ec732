//! What is served here, and where (RFC 8414, OpenID Connect Discovery 1.0).

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_core::key::Algorithm;
use serde_json::{Value, json};

use crate::grant::Grant;
use crate::rotation::JWKS_MAX_AGE;
use crate::server::Issuer;

pub(super) async fn discovery(State(issuer): State<Issuer>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, format!("public, max-age={}", JWKS_MAX_AGE.as_secs())),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    (StatusCode::OK, headers, issuer.metadata().to_owned()).into_response()
}

/// The document. It names nothing that is not served: no authorization endpoint, since nobody logs in here.
pub(crate) fn document(issuer: &str, scopes: &[&str]) -> Value {
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms: Vec<&str> = Algorithm::DEFAULT.iter().map(|algorithm| algorithm.name()).collect();
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": [],
        "grant_types_supported": Grant::ALL.map(Grant::name),
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    })
}
