//! What a token exchange adds to a token request (RFC 8693 §2.1).

use url::form_urlencoded::Serializer;

use crate::authenticate::CallerToken;

/// The grant of an exchange.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The subject's token, and that an access token is wanted for it. No actor: both parts of that pair are left out.
pub(super) fn append_subject(form: &mut Serializer<'_, String>, subject: &CallerToken) {
    form.append_pair("subject_token", subject.expose());
    form.append_pair("subject_token_type", ACCESS_TOKEN);
    form.append_pair("requested_token_type", ACCESS_TOKEN);
}
