//! The events.

use std::fmt::Display;
use std::net::IpAddr;

use countersign_core::error::VerifyError;
use countersign_core::integration::safe_text;

const TARGET: &str = "countersign::issuer";

/// The fields of an issued token.
pub(crate) struct Issued<'a> {
    pub(crate) client: &'a str,
    pub(crate) grant: &'a str,
    /// The identity provider that asserted the user.
    pub(crate) identity_provider: Option<&'a str>,
    pub(crate) audience: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) token_id: &'a str,
    /// The transaction, if it is a transaction token.
    pub(crate) txn: Option<&'a str>,
    pub(crate) key_id: &'a str,
    pub(crate) has_actor: bool,
    pub(crate) is_bound: bool,
}

pub(crate) fn token_issued(issued: &Issued<'_>) {
    tracing::info!(
        target: TARGET,
        client = issued.client,
        grant = issued.grant,
        identity_provider = issued.identity_provider,
        audience = issued.audience,
        scope = issued.scope,
        token_id = issued.token_id,
        txn = issued.txn,
        key_id = issued.key_id,
        has_actor = issued.has_actor,
        is_bound = issued.is_bound,
        "token issued"
    );
}

/// A refused request.
pub(crate) struct Refused<'a> {
    /// The id that the request names; it is not authenticated.
    pub(crate) client: Option<&'a str>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) code: &'a str,
    /// The exact code of the cause, if `code` has several.
    pub(crate) reason: Option<&'a str>,
    pub(crate) status: u16,
}

/// `unlogged` is the number of refusals with this status since the last logged one.
pub(crate) fn request_refused(refused: &Refused<'_>, unlogged: u64) {
    tracing::info!(
        target: TARGET,
        client = refused.client.map(safe_text),
        peer = refused.peer.map(tracing::field::display),
        error = refused.code,
        reason = refused.reason,
        status = refused.status,
        unlogged,
        "request refused"
    );
}

pub(crate) fn token_revoked(client: &str, token_id: &str) {
    tracing::info!(target: TARGET, client, token_id = safe_text(token_id), "token revoked");
}

/// Without its name, which may be a person's.
pub(crate) fn tokens_revoked(kind: &'static str) {
    tracing::info!(target: TARGET, kind, "tokens revoked");
}

pub(crate) fn presented_token_refused(error: &VerifyError, unlogged: u64) {
    tracing::info!(target: TARGET, code = error.code(), detail = %error.detail(), unlogged, "presented token refused");
}

/// `unlogged` is the number of failures since the last logged one.
pub(crate) fn store_failed(error: &dyn Display, unlogged: u64) {
    tracing::error!(target: TARGET, %error, unlogged, "store failed; answering 503");
}

/// `unlogged` is the number of failures since the last logged one.
pub(crate) fn key_maintenance_failed(error: &dyn Display, unlogged: u64) {
    tracing::error!(target: TARGET, %error, unlogged, "key maintenance failed; the current keys are used for a limited time");
}

pub(crate) fn secret_upgraded(client: &str, is_stored: bool) {
    tracing::info!(target: TARGET, client, is_stored, "client secret hash upgraded to Argon2id");
}
