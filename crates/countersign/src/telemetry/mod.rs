//! Every event of this crate: names, levels and fields. No field can hold a token, a key or a secret.
//!
//! The caller's tenant and the transaction (`txn`) are also recorded in the current span, if that span has empty fields of these
//! names.
//!
//! | target | level | message | fields |
//! |---|---|---|---|
//! | `countersign::authenticate` | DEBUG | `authenticated` | `issuer`, `tenant`, `txn` (of the transaction token), `subject` (pseudonym, if enabled), `kid`, `kind` (of credential) |
//! | `countersign::authenticate` | INFO, at most 10 per second and code | `refused` | `code`, `detail`, `fix` (of `unknown_issuer`), `unlogged` |
//! | `countersign::authenticate` | INFO, at most 10 per second and code | `refused proof`: a proof of possession (DPoP) | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | INFO, at most 10 per second | `refused transaction token` | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `transaction token not verified: keys unavailable` | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | INFO, at most 10 per second | `no transaction token`: the layer demands one | `code`, `issuer`, `tenant`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `not verified: replay store unavailable` | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | DEBUG, at most 10 per second | `another scheme than Bearer in the Authorization header; …` | `scheme` (of a closed set), `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `not verified: keys unavailable` | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `not verified: API keys unavailable` | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `not verified: introspection unavailable` | `code`, `detail`, `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `revocation status unknown` | `outcome`, `unlogged` |
//! | `countersign::authenticate` | WARN, once per layer | `tokens in the query are accepted: …` or `tokens in forms are accepted: …`, by `authenticate::danger` | |
//! | `countersign::authenticate` | ERROR, once per layer | `tokens in the query are ignored: deny_danger forbids them` | |
//! | `countersign::authenticate` | WARN, at most 10 per second | `refused a token that another authentication layer before this one accepted; …` | `accepted_by`, `trusted` (the first 8 issuers), `unlogged` |
//! | `countersign::authenticate` | WARN, at most 10 per second | `a token was sent and ignored, because the path is public; …` | `path`, `unlogged` |
//! | `countersign::audit` | INFO | `decision`, by `AuditEvents` | as in the table of audit events |
//! | `countersign::audit_log` | WARN, when built | `audit events name subjects as they are: …`, by `audit::danger` | |
//! | `countersign::audit_log` | WARN, at most once a minute | `audit lines are lost: they cannot be written` | `error` |
//! | `countersign::audit_log` | WARN, at most once a minute | `the audit file was renamed and cannot be created again; …` | `error` |
//! | `countersign::audit_log` | INFO, once after the former | `audit lines are written again` | |
//! | `countersign::audit_log` | ERROR, at most 10 per second | `an audit sink panicked; its event is lost` | `unlogged` |
//! | `countersign::api_keys` | WARN, once per outage | `the store of API keys cannot be read` | `detail` |
//! | `countersign::api_keys` | INFO | `the store of API keys is readable again` | |
//! | `countersign::api_keys` | DEBUG | `uses of API keys are not recorded` | `detail` |
//! | `countersign::introspect` | WARN, at most 10 per second | `introspection failed` | `issuer`, `detail`, `unlogged` |
//! | `countersign::introspect` | WARN, when built | `plain http is allowed: …`, by `danger_allow_plain_http` | `issuer` |
//! | `countersign::status` | WARN, at most 10 per second | `status list not fetched` | `issuer`, `uri` (without its query), `detail`, `age` (seconds, of the list in memory), `unlogged` |
//! | `countersign::status` | WARN, at most 10 per second | `status list of a token not used` | `issuer`, `reason` (of a closed set), `unlogged` |
//! | `countersign::app` | ERROR, when built | `routes refuse every caller, unless an outer router's path has the parameter` | `error` |
//! | `countersign::app` | INFO, when built | `routes that need no token; all others do` | `routes` (the first 16, with their access) |
//! | `countersign::app` | INFO, once per layer on a router of axum, when built | `authentication covers the routes that were added before its layer: routes added later need no token` | `fix` |
//! | `countersign::app` | INFO, when built | `a protected app became part of a plain router: other routes of that router need no token` | `fix` |
//! | `countersign::app` | WARN, when written | `the OpenAPI document has operations without a route, or lacks routes` | `operations`, `routes` (the first 8) |
//! | `countersign::guard` | INFO, at most 10 per second and code | `denied`: by a requirement, a handler's `Tenant`, or the handler itself (`Claims::forbidden`, `not_found`; `code` is then `handler_forbidden` or `handler_not_found`) | `code`, `requirement`, `unmet` (its unmet parts), `issuer`, `tenant`, `txn`, `subject` (pseudonym, if enabled), `unlogged` |
//! | `countersign::guard` | DEBUG, with each event of the line before | `what the denied caller has` | `code`, `requirement`, `unmet` (its unmet parts, with what the caller has of that kind) |
//! | `countersign::guard` | INFO, at most 10 per second | `would be denied (shadow mode)` | `requirement`, `issuer`, `tenant`, `txn`, `unlogged` |
//! | `countersign::guard` | WARN, at most 10 per second | `the route lacks the path parameter; denying every request` | `path`, `parameter`, `unlogged` |
//! | `countersign::guard` | ERROR | `the requirement cannot be met; denying every request` | `requirement`, `error` |
//! | `countersign::guard` | ERROR, at most 10 per second | `no authentication layer before the guard or extractor; answering 500` | `path`, `fix`, `unlogged` |
//! | `countersign::guard` | ERROR, at most 10 per second | `the layer takes no transaction tokens, and the requirement reads them; …` | `requirement`, `fix`, `unlogged` |
//! | `countersign::guard` | ERROR, at most 10 per second | `a check in a handler cannot see the request; answering 500` | `requirement`, `fix`, `unlogged` |
//! | `countersign::lifetime` | INFO, at most 10 per second | `response outlived its token` | `outcome`, `unlogged` |
//! | `countersign::receivers` | INFO | `security event taken`: a logout, or shared signals | `receiver`, `issuer` |
//! | `countersign::receivers` | INFO, at most 10 per second and code | `security event refused` | `receiver`, `code`, `detail`, `unlogged` |
//! | `countersign::receivers` | WARN, at most 10 per second | `security event not taken: keys or the sink are unavailable` | `receiver`, `detail`, `unlogged` |
//! | `countersign::extract` | INFO, at most 10 per second | `claims do not match the expected type` | `expected`, `error`, `unlogged` |
//! | `countersign::keys` | INFO if keys changed, else DEBUG; of resolved issuers at most 10 per second | `keys fetched` or `keys fetched, unchanged` | `source`, `forced`, `keys`, `added`, `removed` (the first 8 thumbprints), `unlogged` |
//! | `countersign::keys` | WARN, of resolved issuers at most 10 per second | `key fetch failed` | `source`, `forced`, `error`, `age` (seconds, of the current keys), `unlogged` |
//! | `countersign::keys` | ERROR, of resolved issuers at most 10 per second | `issuer withdrew all its keys: tokens will be refused`; they are used for the seconds in `used_for` | `source`, `used_for`, `unlogged` |
//! | `countersign::keys` | WARN, at most 10 per second | `key fetch takes longer than requests wait; it goes on` | `source`, `unlogged` |
//! | `countersign::keys` | DEBUG | `keys for encryption not used` (`use` is `enc`; providers publish them) | `source`, `count` |
//! | `countersign::keys` | DEBUG, at most 10 per second | `key refresh skipped: cool-down active`; too many refreshes count too | `source` |
//! | `countersign::keys` | INFO, at most 10 per second | `keys are written irregularly`; they are used | `source`, `count`, `entries` (the first 8), `unlogged` |
//! | `countersign::keys` | WARN | `key file has unsafe permissions`: others can write it, or read the private key in it | `source`, `problem` |
//! | `countersign::keys` | WARN, or ERROR for private keys; each at most 10 per second | `key set entries not used` or `published keys are private: replace them now` | `source`, `count`, `entries` (the first 8, with their reasons), `unlogged` |
//! | `countersign::fleet` | WARN, once until one is taken | `report not sent to the plane` | `plane`, `error` |
//! | `countersign::fleet` | INFO | `the plane takes reports again` | `plane` |
//! | `countersign::policy` | INFO | `policy replaced` | `file`, `fingerprint` |
//! | `countersign::policy` | ERROR, once per change | `policy refused; the last good one stays in force` | `file`, `error` |
//! | `countersign::policy` | INFO | `policy file has the policy in force again` | `file` |
//! | `countersign::policy` | INFO | `policy bundle replaced` | `source`, `revision`, `fingerprint` |
//! | `countersign::policy` | ERROR, once per change | `policy bundle refused; the last good one stays in force` | `source`, `error` |
//! | `countersign::policy` | WARN, once per change | `policy bundle not pulled; the last good one stays in force` | `source`, `error` |
//! | `countersign::policy` | INFO | `the source has the policy bundle in force again` | `source` |
//! | `countersign::policy` | ERROR, once per change | `last good policy bundle not usable`: it cannot be written or read, or is not one | `file`, `problem` |
//! | `countersign::policy` | INFO, at most 1 per second | `the shadow policy decides otherwise; the policy in force holds` | `difference` (`newly_refused`, `newly_admitted`, `other_authorities`), `code`, `issuer`, `unlogged` |
//! | `countersign::policy` | WARN, once per change | `shadow policy not usable; the policy in force holds` | `source`, `error` |
//! | `countersign::issuers` | INFO, each at most 10 per second | `issuer resolved` or `issuer no longer trusted` | `issuer`, `unlogged` |
//! | `countersign::issuers` | DEBUG, at most 10 per second | `issuer not accepted`: refused, or not looked up because of the limit | `issuer`, `reason` |
//! | `countersign::issuers` | WARN, at most 10 per second | `issuer resolution failed` | `issuer`, `error` |
//! | `countersign::issuers` | WARN | `file of known issuers not usable`: it cannot be read or written | `file`, `error` |
//! | `countersign::outbound` | DEBUG | `token fetched` | `origin`, `is_exchange`, `lifetime` (seconds) |
//! | `countersign::guard` | INFO, at most 10 per second | `cannot be evaluated, so it refuses` | `part`, `issuer`, `txn`, `detail` |
//! | `countersign::guard` | ERROR, at most 10 per second | `nested routers have the path parameter twice, …` | `path`, `parameter` |
//! | `countersign::outbound` | WARN, at most 10 per second and origin | `token fetch failed` | `origin`, `is_exchange`, `error` (a refusal names the token endpoint, client, OAuth code and a fix) |
//! | `countersign::outbound` | INFO, at most 10 per second and origin | `token dropped after a 401` | `origin`, `unlogged` |
//! | `countersign::outbound` | WARN, once per source | `token service issued a token that is not bound to the key; …` | `endpoint` |
//! | `countersign::outbound` | WARN, once per source | `token response has a lifetime that is not a number; …` | `endpoint`, `member` |
//! | `countersign::outbound` | WARN, at most 10 per second | `request answered by the error of a call` | `code`, `error` |
//! | `countersign::outbound` | DEBUG | `request answered by an error that is logged already` | `code` |
//! | `countersign::outbound` | WARN, when built | `plain http is allowed: …`, by `danger_allow_plain_http` | `setting` |
//! | `countersign::outbound` | WARN, at most 10 per second and client | `request not sent: its origin is not bound` | `origin`, `bound` |
//! | `countersign::outbound` | WARN, once until it is usable again | `secret or key file is unusable; …` | `file`, `error` |
//! | `countersign::outbound` | INFO | `secret or key file changed` | `file` |
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
mod audit;
pub(crate) mod counts;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "introspection")]
mod introspection;
#[cfg(feature = "remote-keys")]
mod issuers;
#[cfg(feature = "remote-keys")]
mod keys;
#[cfg(feature = "_client")]
#[cfg_attr(not(feature = "outbound"), allow(dead_code, reason = "clients use a part of it"))]
mod outbound;
#[cfg(feature = "remote-keys")]
mod policy;
#[cfg(feature = "axum")]
mod receivers;
mod requests;
mod samples;
#[cfg(feature = "status-list")]
mod status;
mod trace_parent;

#[cfg(feature = "utoipa")]
pub(crate) use app::unmatched_operations;
#[cfg(feature = "axum")]
pub(crate) use app::{app_left_open, earlier_routes_covered, faulty_routes, open_routes};
pub(crate) use audit::{AuditFailures, audit_sink_panicked};
#[cfg(feature = "fleet")]
pub(crate) use fleet::{fleet_report_failed, fleet_report_taken};
#[cfg(feature = "introspection")]
pub(crate) use introspection::{introspection_failed, introspection_plain_http};
#[cfg(feature = "remote-keys")]
pub(crate) use issuers::{
    IssuerSamples, issuer_names_file, issuer_not_accepted, issuer_not_resolved, issuer_removed, issuer_resolved,
};
#[cfg(all(feature = "remote-keys", unix))]
pub(crate) use keys::key_file_permissions;
#[cfg(feature = "remote-keys")]
pub(crate) use keys::{
    FetchEvents, KeySamples, key_fetch_awaited, key_fetch_failed, key_fetch_span, key_refresh_skipped, keys_fetched,
    keys_withdrawn,
};
#[cfg(all(feature = "outbound", feature = "axum"))]
pub(crate) use outbound::call_failed;
#[cfg(feature = "outbound")]
pub(crate) use outbound::{
    origin_not_bound, plain_http_allowed, token_dropped, token_fetch_failed, token_fetch_span, token_fetched,
    token_lifetime_unreadable, token_not_bound,
};
#[cfg(feature = "_client")]
pub(crate) use outbound::{secret_file_changed, secret_file_unusable};
#[cfg(feature = "bundle")]
pub(crate) use policy::{bundle_not_pulled, bundle_refused, bundle_replaced, bundle_usable, last_good_unusable};
#[cfg(feature = "remote-keys")]
pub(crate) use policy::{policy_refused, policy_replaced, policy_usable, shadow_refused};
#[cfg(feature = "axum")]
pub(crate) use receivers::{security_event_not_taken, security_event_refused, security_event_taken};
#[cfg(all(feature = "axum", feature = "outbound"))]
pub(crate) use receivers::{signals_not_polled, signals_polled};
pub(crate) use requests::{
    ADD_THE_LAYER, authenticated, bad_credential, denied, denied_in_shadow, faulty_requirement, missing_layer,
    no_such_parameter, no_transaction, other_scheme, refused, refused_proof, refused_transaction, repeated_parameter,
    revocation_unknown, second_layer, token_ended, token_ignored, transactions_not_taken, unknown,
};
#[cfg(feature = "axum")]
pub(crate) use requests::{claims_schema, denied_by_handler, no_tenant, request_not_available};
pub use samples::Sampler;
pub(crate) use samples::Samples;
#[cfg(feature = "status-list")]
pub(crate) use status::{status_list_failed, status_list_refused, status_unknown_accepted};
pub(crate) use trace_parent::TraceParent;
