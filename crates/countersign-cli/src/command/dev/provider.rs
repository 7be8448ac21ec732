//! The provider over HTTP: discovery, key set, token endpoint, and a token of each user as text.

use std::sync::Arc;

use axum::extract::{Form, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign::mint::Signer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::claims::{Claims, is_about_client, is_taken_for_client};
use super::{Shape, User, exchange};
use crate::times;

/// A provider for development.
pub(super) struct Provider {
    shape: Shape,
    origin: String,
    issuer: String,
    audience: String,
    client: String,
    users: Vec<User>,
    /// Clients that have scopes and are no users.
    services: Vec<User>,
    life: u64,
    signer: Signer,
}

impl Provider {
    pub(super) fn new(
        shape: Shape,
        origin: String,
        audience: &str,
        client: &str,
        users: Vec<User>,
        life: u64,
        signer: Signer,
    ) -> Self {
        let issuer = shape.issuer(&origin);
        let (audience, client) = (audience.into(), client.into());
        Provider { shape, origin, issuer, audience, client, users, services: Vec::new(), life, signer }
    }

    pub(super) fn with_services(self, services: Vec<User>) -> Self {
        Provider { services, ..self }
    }

    /// The name of a service that calls for itself.
    pub(super) fn service_name(&self) -> &str {
        self.services.first().map_or("svc", |service| &service.name)
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn jwks_url(&self) -> String {
        format!("{}{}", self.origin, self.shape.jwks_path())
    }

    pub(super) fn token_url(&self) -> String {
        format!("{}{}", self.origin, self.shape.token_path())
    }

    pub(super) fn user_urls(&self) -> Vec<String> {
        self.users.iter().map(|user| format!("{}/users/{}", self.origin, user.name)).collect()
    }

    pub(super) fn policy(&self) -> String {
        self.shape.policy(&self.issuer, &self.audience)
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The service that calls for itself, with the scopes that are granted: of its own those that it requests, or all. A
    /// service without any gets what it requests.
    fn service(&self, client: &str, requested: Option<&str>) -> User {
        let known = self.user(client).or_else(|| self.services.iter().find(|service| service.name == client));
        let mut service = known.cloned().unwrap_or_else(|| User { name: client.to_owned(), ..User::default() });
        let requested: Vec<String> =
            requested.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        match (service.scopes.is_empty(), requested.is_empty()) {
            (_, true) => {}
            (true, false) => service.scopes = requested,
            (false, false) => service.scopes.retain(|scope| requested.contains(scope)),
        }
        service
    }

    fn token(&self, user: &User, client: &str, audience: Option<&str>, is_service: bool) -> Option<String> {
        let audience = audience.unwrap_or(&self.audience);
        let claims = Claims { shape: self.shape, issuer: &self.issuer, audience, client, user, is_service };
        self.signed(claims.build())
    }

    /// Signs `claims` with the times of a new token.
    fn signed(&self, mut claims: serde_json::Map<String, Value>) -> Option<String> {
        let now = u64::try_from(times::now()).unwrap_or_default();
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("exp".to_owned(), json!(now.saturating_add(self.life)));
        let header = json!({
            "alg": self.signer.algorithm().name(), "typ": self.shape.token_type(), "kid": self.signer.key_id(),
        });
        self.signer.sign_compact(header.to_string().as_bytes(), Value::Object(claims).to_string().as_bytes())
    }
}

pub(super) fn router(provider: Arc<Provider>) -> Router {
    let (base, jwks, token_path) = (provider.shape.base(), provider.shape.jwks_path(), provider.shape.token_path());
    Router::new()
        .route(&format!("{base}/.well-known/openid-configuration"), get(discovery))
        .route(jwks, get(key_set))
        .route(token_path, post(token))
        .route("/users/{name}", get(user_token))
        .layer(middleware::from_fn_with_state(Arc::clone(&provider), check_host))
        .with_state(provider)
}

/// Refuses other names for this address (DNS rebinding), and lets nothing be stored.
async fn check_host(State(provider): State<Arc<Provider>>, request: Request, next: Next) -> Response {
    let port = provider.origin.rsplit(':').next().unwrap_or_default();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = ["127.0.0.1", "localhost"].iter().any(|name| format!("{name}:{port}") == host);
    let mut response = match is_own {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "this server only serves its loopback address\n").into_response(),
    };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn discovery(State(provider): State<Arc<Provider>>) -> Json<Value> {
    Json(json!({
        "issuer": provider.issuer,
        "jwks_uri": provider.jwks_url(),
        "token_endpoint": provider.token_url(),
        "grant_types_supported": ["password", "client_credentials", exchange::GRANT],
        "id_token_signing_alg_values_supported": [provider.signer.algorithm().name()],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
    }))
}

async fn key_set(State(provider): State<Arc<Provider>>) -> Response {
    let keys: Vec<Value> = provider.signer.public_jwk().into_iter().collect();
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(json!({ "keys": keys }))).into_response()
}

/// A token of the user as text, for `$(curl …)`.
async fn user_token(State(provider): State<Arc<Provider>>, Path(name): Path<String>) -> Response {
    let token = provider.user(&name).and_then(|user| provider.token(user, &provider.client, None, false));
    match token {
        Some(token) => token.into_response(),
        None => (StatusCode::NOT_FOUND, "no such user; add --user\n").into_response(),
    }
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    username: Option<String>,
    client_id: Option<String>,
    audience: Option<String>,
    scope: Option<String>,
    subject_token: Option<String>,
}

/// Grants `password` (any password), `client_credentials` and token exchange (any secret).
async fn token(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Ok(Form(request)) = form else { return refused("invalid_request", "not a form with grant_type") };
    let client = request.client_id.or_else(|| basic_user(&headers));
    let audience = request.audience.as_deref();
    let token = match (request.grant_type.as_str(), &request.username, &client) {
        ("password", Some(name), client) => {
            let client = client.as_ref().unwrap_or(&provider.client);
            match provider.user(name) {
                Some(user) if is_taken_for_client(provider.shape, user, client) => {
                    return refused("invalid_grant", "the user has the name of the client; a user is never a client");
                }
                Some(user) => provider.token(user, client, audience, false),
                None => return refused("invalid_grant", "no such user; add --user"),
            }
        }
        ("client_credentials", _, Some(client)) => {
            let service = provider.service(client, request.scope.as_deref());
            provider.token(&service, client, audience, true)
        }
        (exchange::GRANT, _, Some(client)) => {
            let subject = request.subject_token.as_deref();
            let claims = exchange::subject(subject.unwrap_or_default(), &provider.issuer, &provider.signer).await;
            let Some(claims) = claims else {
                return refused("invalid_request", "subject_token is missing, expired or not of this provider");
            };
            if is_about_client(&claims, client) {
                return refused("invalid_request", "the subject is the client itself");
            }
            provider.signed(exchange::exchanged(claims, audience.unwrap_or(&provider.audience), client))
        }
        ("password" | "client_credentials" | exchange::GRANT, ..) => {
            return refused("invalid_request", "username, or client_id, is missing");
        }
        _ => return refused("unsupported_grant_type", "use password, client_credentials or token exchange"),
    };
    let mut answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": provider.life });
    if request.grant_type == exchange::GRANT {
        answer["issued_token_type"] = json!(exchange::ISSUED);
    }
    Json(answer).into_response()
}

fn refused(error: &str, description: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error, "error_description": description }))).into_response()
}

/// The name in `Authorization: Basic …`.
fn basic_user(headers: &HeaderMap) -> Option<String> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(base64_simd::STANDARD.decode_to_vec(encoded).ok()?).ok()?;
    Some(pair.split_once(':')?.0.to_owned())
}
