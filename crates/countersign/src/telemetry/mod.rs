//! Every event of this crate: names, levels and fields. No field can hold a token, a key or a secret.
//!
//! The caller's tenant is also recorded in the current span, if that span has an empty field `tenant`.
//!
//! | target | level | event | fields |
//! |---|---|---|---|
//! | `countersign::authenticate` | DEBUG | a request was authenticated | `issuer`, `tenant`, `subject` (pseudonym, if enabled), `kid` |
//! | `countersign::authenticate` | INFO, at most 10 per second and code | a request was refused | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | DEBUG, at most 10 per second | the `Authorization` header holds no bearer token | `scheme` (of a closed set), `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | a token could not be verified: keys unavailable | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | the revocation status of a token is unknown | `outcome`, `unlogged` |
//! | `countersign::authenticate` | WARN, once per layer | a layer is weakened by `authenticate::danger` | |
//! | `countersign::authenticate` | WARN, at most 10 per second | a token was refused that a layer before this one accepted | `accepted_by`, `trusted` (the first 8 issuers), `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | a guard or extractor found no caller on a public path, and the token that was sent is ignored | `path`, `unlogged` |
//! | `countersign::app` | ERROR, when built | a route lacks a path parameter that its requirement names | `error` |
//! | `countersign::app` | INFO, when built | the routes and paths of an app that need no token | `routes` (the first 16, with their access) |
//! | `countersign::app` | WARN, when written | operations without a route, or routes without an operation, in an OpenAPI document | `operations`, `routes` (the first 8) |
//! | `countersign::guard` | INFO, at most 10 per second and code | a requirement was not met, a handler's `Tenant` is missing, or the handler itself denied (`Claims::forbidden`, `not_found`; `code` is then `handler_forbidden` or `handler_not_found`) | `code`, `requirement`, `unmet` (its unmet parts), `issuer`, `tenant`, `subject` (pseudonym, if enabled), `unlogged` |
//! | `countersign::guard` | DEBUG, with each event of the line before | what the denied caller has | `code`, `requirement`, `unmet` (its unmet parts, with what the caller has of that kind) |
//! | `countersign::guard` | INFO, at most 10 per second | a requirement in shadow mode was not met | `requirement`, `issuer`, `tenant`, `unlogged` |
//! | `countersign::guard` | WARN, at most 10 per second | a route lacks a path parameter that its requirement names | `path`, `parameter`, `unlogged` |
//! | `countersign::guard` | ERROR | a guard has a requirement that cannot be met | `requirement`, `error` |
//! | `countersign::guard` | ERROR, at most 10 per second | a guard or extractor has no authentication layer before it | `path`, `fix`, `unlogged` |
//! | `countersign::guard` | ERROR, at most 10 per second | a check in a handler needs the request, which only a guard can see | `requirement`, `fix`, `unlogged` |
//! | `countersign::lifetime` | INFO, at most 10 per second | a response outlived its caller's token | `outcome`, `unlogged` |
//! | `countersign::extract` | INFO, at most 10 per second | claims do not match the handler's type | `expected`, `error`, `unlogged` |
//! | `countersign::keys` | INFO if keys changed, else DEBUG; of resolved issuers at most 10 per second | keys were fetched | `source`, `forced`, `keys`, `added`, `removed` (the first 8 thumbprints), `unlogged` |
//! | `countersign::keys` | WARN, of resolved issuers at most 10 per second | a key fetch failed | `source`, `forced`, `error`, `age` (seconds, of the current keys), `unlogged` |
//! | `countersign::keys` | ERROR, of resolved issuers at most 10 per second | an issuer withdrew all its keys, which are used for the seconds in `used_for` | `source`, `used_for`, `unlogged` |
//! | `countersign::keys` | DEBUG, at most 10 per second | a key refresh was skipped: cool-down active, or too many refreshes | `source` |
//! | `countersign::keys` | INFO, at most 10 per second | keys of a new set are written irregularly, and used | `source`, `count`, `entries` (the first 8), `unlogged` |
//! | `countersign::keys` | WARN | a key file can be written by others, or holds a private key that others can read | `source`, `problem` |
//! | `countersign::keys` | WARN, or ERROR for private keys; each at most 10 per second | entries of a new set are not used | `source`, `count`, `entries` (the first 8, with their reasons), `unlogged` |
//! | `countersign::policy` | INFO | the policy of a file was replaced | `file`, `fingerprint` |
//! | `countersign::policy` | ERROR, once per change | the policy of a file was refused, and the last good one stays in force | `file`, `error` |
//! | `countersign::policy` | INFO | a file that was refused has the policy in force again | `file` |
//! | `countersign::issuers` | INFO, each at most 10 per second | an issuer was resolved, or is no longer trusted | `issuer`, `unlogged` |
//! | `countersign::issuers` | DEBUG, at most 10 per second | an issuer was refused, or not looked up because of the limit | `issuer`, `reason` |
//! | `countersign::issuers` | WARN, at most 10 per second | the resolution of an issuer failed | `issuer`, `error` |
//! | `countersign::issuers` | WARN | the file of known issuers cannot be read or written | `file`, `error` |
//! | `countersign::outbound` | DEBUG | a token was fetched | `origin`, `is_exchange`, `lifetime` (seconds) |
//! | `countersign::guard` | INFO, at most 10 per second | a part of a requirement cannot be evaluated, and refuses | `part`, `issuer`, `detail` |
//! | `countersign::guard` | ERROR, at most 10 per second | nested routers have a path parameter twice; answering 500 | `path`, `parameter` |
//! | `countersign::outbound` | WARN, at most 10 per second | a token fetch failed | `origin`, `is_exchange`, `error` (a refusal names the token endpoint, client, OAuth code and a fix) |
//! | `countersign::outbound` | INFO, at most 10 per second and origin | a token was dropped after a 401 from its service | `origin`, `unlogged` |
//! | `countersign::outbound` | WARN, once per source | a token response states a lifetime that cannot be read | `endpoint`, `member` |
//! | `countersign::outbound` | WARN, at most 10 per second | a request was answered by the error of a call to another service | `code`, `error` |
//! | `countersign::outbound` | DEBUG | the same, and the error is logged already | `code` |
//! | `countersign::outbound` | WARN, when built | plain HTTP is allowed by `danger_allow_plain_http` | `setting` |
//! | `countersign::outbound` | WARN, at most 10 per second | a request was not sent: its origin is not bound | `origin`, `bound` |
//! | `countersign::outbound` | WARN, once until it is usable again | a file with a secret or key cannot be used | `file`, `error` |
//! | `countersign::outbound` | INFO | a file with a secret or key has changed | `file` |
//!
//! Spans, of `tracing` too:
//!
//! | target | level | span | fields |
//! |---|---|---|---|
//! | `countersign::verify` | DEBUG | `verify token`: a token that is not cached, with the wait for its keys | `otel.kind`, `issuer` (the trusted one), `waited_for_keys`, `error.type` (the code), `otel.status_code` |
//! | `countersign::keys` | INFO | `fetch keys`: one fetch of a key set | `otel.kind`, `source`, `forced`, `error.type`, `otel.status_code` |
//! | `countersign::outbound` | INFO | `fetch token`: one fetch of a token for a bound origin | `otel.kind`, `origin`, `is_exchange`, `error.type` (the code), `otel.status_code` |
//! | `countersign::fetch` | INFO | `HTTP request`: one request of such a fetch | `otel.kind`, `otel.name`, `http.request.method`, `url.full`, `server.address`, `server.port`, `http.response.status_code`, `error.type`, `otel.status_code` |

#[cfg(feature = "axum")]
mod app;
pub(crate) mod counts;
#[cfg(feature = "remote-keys")]
mod issuers;
#[cfg(feature = "remote-keys")]
mod keys;
#[cfg(feature = "outbound")]
mod outbound;
#[cfg(feature = "remote-keys")]
mod policy;
mod requests;
mod samples;

#[cfg(feature = "utoipa")]
pub(crate) use app::unmatched_operations;
#[cfg(feature = "axum")]
pub(crate) use app::{faulty_routes, open_routes};
#[cfg(feature = "remote-keys")]
pub(crate) use issuers::{
    issuer_names_file, issuer_not_accepted, issuer_not_resolved, issuer_removed, issuer_resolved,
};
#[cfg(all(feature = "remote-keys", unix))]
pub(crate) use keys::key_file_permissions;
#[cfg(feature = "remote-keys")]
pub(crate) use keys::{
    FetchEvents, key_fetch_failed, key_fetch_span, key_refresh_skipped, keys_fetched, keys_withdrawn,
};
#[cfg(all(feature = "outbound", feature = "axum"))]
pub(crate) use outbound::call_failed;
#[cfg(feature = "outbound")]
pub(crate) use outbound::{
    origin_not_bound, plain_http_allowed, secret_file_changed, secret_file_unusable, token_dropped, token_fetch_failed,
    token_fetch_span, token_fetched, token_lifetime_unreadable,
};
#[cfg(feature = "remote-keys")]
pub(crate) use policy::{policy_refused, policy_replaced, policy_usable};
pub(crate) use requests::{
    ADD_THE_LAYER, authenticated, bad_credential, denied, denied_in_shadow, faulty_requirement, missing_layer,
    no_such_parameter, other_scheme, refused, repeated_parameter, revocation_unknown, second_layer, token_ended,
    token_ignored, unknown,
};
#[cfg(feature = "axum")]
pub(crate) use requests::{claims_schema, denied_by_handler, no_tenant, request_not_available};
#[cfg(feature = "outbound")]
pub(crate) use samples::Sampler;
pub(crate) use samples::Samples;
