//! The parameters that a token exchange adds to a token request (RFC 8693 §2.1).

use url::form_urlencoded::Serializer;

use super::token::OutboundToken;
use crate::authenticate::CallerToken;

/// The way in which a caller's token is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// RFC 8693.
    Standard,
    /// On-behalf-of of Microsoft Entra: a JWT bearer grant.
    Entra,
}

/// The grant type of an exchange.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The grant that is an assertion (RFC 7523 §2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The grant, the subject's token, and the access token requested for it.
pub(super) fn append_subject(form: &mut Serializer<'_, String>, subject: &CallerToken, flow: Flow) {
    match flow {
        Flow::Standard => {
            form.append_pair("grant_type", GRANT);
            form.append_pair("subject_token", subject.expose());
            form.append_pair("subject_token_type", ACCESS_TOKEN);
            form.append_pair("requested_token_type", ACCESS_TOKEN);
        }
        Flow::Entra => {
            form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", subject.expose());
            form.append_pair("requested_token_use", "on_behalf_of");
        }
    }
}

/// The token of the actor for the subject, with its type.
pub(super) fn append_actor(form: &mut Serializer<'_, String>, actor: &OutboundToken) {
    form.append_pair("actor_token", actor.expose()).append_pair("actor_token_type", ACCESS_TOKEN);
}
