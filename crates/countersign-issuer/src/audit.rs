//! One event for each token issued or refused, under the target `countersign::issuer`. No secret, no token, no claim.

use std::net::IpAddr;

use countersign_core::error::VerifyError;
use countersign_core::redact::safe_text;

use crate::client::Client;
use crate::endpoint::OAuthError;
use crate::grant::{Grant, Granted};
use crate::mint::MintedToken;
use crate::rotation::RotationError;
use crate::store::StoreError;

const TARGET: &str = "countersign::issuer";

pub(crate) fn issued(client: &Client, grant: Grant, granted: &Granted, token: &MintedToken) {
    tracing::info!(
        target: TARGET,
        client = client.id(),
        grant = grant.name(),
        audience = granted.audience,
        scope = granted.scope.to_text(),
        token_id = token.token_id(),
        key_id = token.key_id(),
        has_actor = granted.claims.contains_key("act"),
        "token issued"
    );
}

/// `client` is what the request named, whoever sent it.
pub(crate) fn refused(client: Option<&str>, peer: Option<IpAddr>, refusal: &OAuthError) {
    tracing::info!(
        target: TARGET,
        client = client.map(safe_text),
        peer = peer.map(tracing::field::display),
        error = refusal.code,
        status = refusal.status.as_u16(),
        "token refused"
    );
}

pub(crate) fn revoked(client: &Client, token_id: &str) {
    tracing::info!(target: TARGET, client = client.id(), token_id = safe_text(token_id), "token revoked");
}

pub(crate) fn presented_token_refused(error: &VerifyError) {
    tracing::info!(target: TARGET, code = error.code(), detail = %error, "a presented token is not accepted");
}

pub(crate) fn store_failed(error: &StoreError) {
    tracing::error!(target: TARGET, %error, "the store failed; answering 503");
}

pub(crate) fn keys_not_tended(error: &RotationError) {
    tracing::error!(target: TARGET, %error, "the keys could not be seen after; the present ones stay in use");
}

pub(crate) fn secret_upgraded(client: &Client, is_kept: bool) {
    tracing::info!(target: TARGET, client = client.id(), is_kept, "a client's hash was upgraded to Argon2id");
}
