//! The metadata of the issuer (RFC 8414, OpenID Connect Discovery 1.0).

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_core::key::Algorithm;
use serde_json::{Value, json};

use crate::policy::Grant;
use crate::rotation::JWKS_MAX_AGE;
use crate::service::Issuer;

/// The profile of the JWT bearer grant that identity assertions follow (draft-ietf-oauth-identity-assertion-authz-grant-03 §7.2).
const IDENTITY_ASSERTION_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

pub(super) fn response(document: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, format!("public, max-age={}", JWKS_MAX_AGE.as_secs())),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    (StatusCode::OK, headers, document).into_response()
}

/// The document. It names only served endpoints, so it has no authorization endpoint.
///
/// No ID token is issued. Verifiers for ID tokens, which proxies use for access tokens, read the algorithm of all tokens from
/// `id_token_signing_alg_values_supported` and accept only RS256 without it.
pub(super) fn document(issuer: &Issuer) -> Value {
    let scopes: BTreeSet<&str> =
        issuer.audiences().flat_map(|audience| &audience.scopes.0).map(AsRef::as_ref).collect();
    let mut methods = vec!["client_secret_basic", "client_secret_post", "private_key_jwt"];
    if issuer.clients().any(|client| !client.certificates.is_empty()) {
        methods.push("self_signed_tls_client_auth");
    }
    if issuer.clients().any(|client| client.certificate_name.is_some()) {
        methods.push("tls_client_auth");
    }
    // Whether certificates reach the issuer is known only to whoever serves it, and registers clients accordingly.
    let binds_certificates = issuer.clients().any(|client| client.certificate_bound_access_tokens);
    let algorithms: Vec<&str> = Algorithm::DEFAULT.iter().map(|algorithm| algorithm.name()).collect();
    let proof_algorithms: Vec<&str> = issuer.proofs().algorithms().iter().map(|algorithm| algorithm.name()).collect();
    let name = issuer.name();
    let mut document = json!({
        "issuer": name,
        "token_endpoint": format!("{name}/token"),
        "introspection_endpoint": format!("{name}/introspect"),
        "revocation_endpoint": format!("{name}/revoke"),
        "jwks_uri": format!("{name}/jwks"),
        "response_types_supported": [],
        "id_token_signing_alg_values_supported": [issuer.algorithm().name()],
        "grant_types_supported": Grant::ALL.map(Grant::name),
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": proof_algorithms,
        "tls_client_certificate_bound_access_tokens": binds_certificates,
    });
    if !issuer.identity_providers().is_empty() {
        document["authorization_grant_profiles_supported"] = json!([IDENTITY_ASSERTION_PROFILE]);
    }
    document
}

/// The document of an issuer that serves only its keys.
pub(super) fn keys_document(issuer: &Issuer) -> Value {
    json!({
        "issuer": issuer.name(),
        "jwks_uri": format!("{}/jwks", issuer.name()),
        "response_types_supported": [],
        "id_token_signing_alg_values_supported": [issuer.algorithm().name()],
    })
}
