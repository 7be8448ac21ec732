//! A router for the management of keys.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign::authz::{Requirement, token_kind};
use countersign::extract::{Claims, Rejection};
use countersign::guard::require;
use countersign_core::integration::Names;
use countersign_core::token::CredentialKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{ApiKeyError, ApiKeyErrorKind};
use crate::key::{ApiKey, CreatedApiKey, NewApiKey};
use crate::keys::ApiKeys;

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A router by which callers who meet `requirement` manage the keys of the service `audience`. It guards itself: without an
/// [`AuthenticateLayer`](countersign::prelude::AuthenticateLayer) around it, it answers 500.
///
/// | request | answer |
/// |---|---|
/// | `GET /` | the keys, without their secrets |
/// | `POST /` with `client`, and if wanted `scopes`, `roles`, `permissions`, `tenant`, `note`, `expires_in` (seconds) | 201, with the text of the new key in `key` |
/// | `POST /{id}/rotate` with `overlap` (seconds) if wanted | 201, with the text of the next key; the old one ends after the overlap, which is 0 if absent. If its end cannot be stored, `old_key_error` has the code: revoke the old one later |
/// | `DELETE /{id}` | 204; the key is revoked |
///
/// A caller gives only what it has: its own scopes, roles and permissions. A caller with a tenant sees and makes only
/// keys of that tenant. Callers with an API key are refused, so that a stolen one makes no others.
///
/// ```
/// use axum::Router;
/// use countersign::prelude::*;
/// use countersign_apikey::{ApiKeys, router};
///
/// fn app(keys: ApiKeys, layer: AuthenticateLayer) -> Router {
///     let management = router(keys, "orders", scope("api-keys:manage"));
///     Router::new().nest("/api-keys", management).layer(layer)
/// }
/// # let _ = app;
/// ```
pub fn router(keys: ApiKeys, audience: impl Into<String>, requirement: Requirement) -> Router {
    let manager = Arc::new(Manager { keys, audience: audience.into() });
    let is_no_key = token_kind(CredentialKind::Signed).or(token_kind(CredentialKind::Opaque));
    Router::new()
        .route("/", get(list).post(create))
        .route("/{id}/rotate", post(rotate))
        .route("/{id}", axum::routing::delete(revoke))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(require(requirement.and(is_no_key)))
        .with_state(manager)
}

struct Manager {
    keys: ApiKeys,
    audience: String,
}

/// The body of a request for a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    client: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
    tenant: Option<String>,
    #[serde(default)]
    note: String,
    expires_in: Option<u64>,
}

/// The body of a request for the next key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    overlap: u64,
}

impl Manager {
    /// The key, if the caller may know of it.
    async fn find(&self, claims: &Claims, id: &str) -> Result<ApiKey, Refused> {
        let key = self.keys.get(id).await?;
        match self.is_visible(claims, &key) {
            true => Ok(key),
            false => Err(ApiKeyError::new(ApiKeyErrorKind::NotFound, "there is no key of this id").into()),
        }
    }

    fn is_visible(&self, claims: &Claims, key: &ApiKey) -> bool {
        let is_of_tenant = claims.tenant().is_none_or(|tenant| key.tenant() == Some(tenant.as_str()));
        is_of_tenant && key.audiences().iter().all(|audience| *audience == self.audience)
    }
}

/// Refuses a caller who does not have all of this itself.
fn check_authorities(
    claims: &Claims,
    scopes: &[String],
    roles: &[String],
    permissions: &[String],
) -> Result<(), Refused> {
    let grants = claims.verified().grants();
    let has = |own: &Names, names: &[String]| names.iter().all(|name| own.contains(name));
    let is_own = has(&grants.scopes, scopes) && has(&grants.roles, roles) && has(&grants.permissions, permissions);
    if is_own { Ok(()) } else { Err(claims.forbidden().into()) }
}

async fn list(State(manager): State<Arc<Manager>>, claims: Claims) -> Result<Json<Value>, Refused> {
    let mut keys = manager.keys.list().await?;
    keys.retain(|key| manager.is_visible(&claims, key));
    Ok(Json(json!({ "keys": keys })))
}

async fn create(
    State(manager): State<Arc<Manager>>,
    claims: Claims,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(wanted) = body?;
    check_authorities(&claims, &wanted.scopes, &wanted.roles, &wanted.permissions)?;
    let own_tenant = claims.tenant().map(|tenant| tenant.as_str().to_owned());
    if own_tenant.is_some() && wanted.tenant.is_some() && own_tenant != wanted.tenant {
        return Err(claims.forbidden().into());
    }
    let mut new = NewApiKey::new(wanted.client, manager.audience.clone())
        .scopes(wanted.scopes)
        .roles(wanted.roles)
        .permissions(wanted.permissions)
        .note(wanted.note);
    if let Some(tenant) = wanted.tenant.or(own_tenant) {
        new = new.tenant(tenant);
    }
    if let Some(seconds) = wanted.expires_in {
        new = new.expires_in(Duration::from_secs(seconds));
    }
    Ok(created(&manager.keys.create(new).await?, None))
}

async fn rotate(
    State(manager): State<Arc<Manager>>,
    claims: Claims,
    Path(id): Path<String>,
    body: Result<Option<Json<Rotation>>, JsonRejection>,
) -> Result<Response, Refused> {
    let Rotation { overlap } = body?.map(|Json(body)| body).unwrap_or_default();
    let key = manager.find(&claims, &id).await?;
    check_authorities(&claims, key.scopes(), key.roles(), key.permissions())?;
    let rotated = manager.keys.rotate(key.id(), Duration::from_secs(overlap)).await?;
    Ok(created(rotated.created(), rotated.old_key().err()))
}

async fn revoke(
    State(manager): State<Arc<Manager>>,
    claims: Claims,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let key = manager.find(&claims, &id).await?;
    manager.keys.revoke(key.id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The text of the new key is in no other answer, so it is here even if the old one may not end.
fn created(created: &CreatedApiKey, old_key: Option<&ApiKeyError>) -> Response {
    let mut body = json!(created.key());
    body["key"] = json!(created.text().expose());
    if let Some(error) = old_key {
        body["old_key_error"] = json!(error.code());
    }
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// A refusal: on the heap, since handlers return it beside smaller values.
struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Refused(Box::new(rejection.into_response()))
    }
}

impl From<ApiKeyError> for Refused {
    fn from(error: ApiKeyError) -> Self {
        let status = match error.kind() {
            ApiKeyErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ApiKeyErrorKind::NotFound => StatusCode::NOT_FOUND,
            ApiKeyErrorKind::Ended | ApiKeyErrorKind::TooManyKeys => StatusCode::CONFLICT,
            ApiKeyErrorKind::StoreUnavailable => {
                return problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    error.code(),
                    "the store of API keys is not available",
                );
            }
        };
        problem(status, error.code(), error.detail())
    }
}

/// Not the text of the rejection, which repeats values of the body.
impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        let detail = "a JSON object with the members that the documentation names is required";
        problem(rejection.status(), "invalid", detail)
    }
}

/// A problem of RFC 9457.
fn problem(status: StatusCode, code: &str, detail: &str) -> Refused {
    let title = status.canonical_reason();
    let body = json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    let body = (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string());
    Refused(Box::new(body.into_response()))
}
