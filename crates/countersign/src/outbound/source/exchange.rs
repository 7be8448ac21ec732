//! The parameters that a token exchange adds to a token request (RFC 8693 §2.1).

use url::form_urlencoded::Serializer;

use super::token::OutboundToken;
use crate::authenticate::CallerToken;

/// The grant type of an exchange.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The subject's token, and the access token requested for it.
pub(super) fn append_subject(form: &mut Serializer<'_, String>, subject: &CallerToken) {
    form.append_pair("subject_token", subject.expose());
    form.append_pair("subject_token_type", ACCESS_TOKEN);
    form.append_pair("requested_token_type", ACCESS_TOKEN);
}

/// The token of the actor for the subject, with its type.
pub(super) fn append_actor(form: &mut Serializer<'_, String>, actor: &OutboundToken) {
    form.append_pair("actor_token", actor.expose()).append_pair("actor_token_type", ACCESS_TOKEN);
}
