//! The answer of the endpoint, from bytes to a verified caller.

use std::sync::Arc;

use countersign_core::error::{VerifyError, VerifyErrorKind as Kind};
use countersign_core::integration::{Introspected, SignedAnswer, check_signed_answer, read_introspection, vouch};
use countersign_core::token::CredentialKind;
use countersign_core::verify::{Verified, Verifier};
use http::header;

use super::asking::{NoAnswer, SIGNED};
use crate::fetch::{FetchedResponse, unexpected_form};

/// Reads answers by the settings.
pub(super) struct Reading {
    pub(super) verifier: Verifier,
    pub(super) issuer: String,
    pub(super) absent_audience: Option<String>,
    /// The client that asks, if answers must be signed for it.
    pub(super) signed_for: Option<String>,
}

impl Reading {
    /// The caller of whom the answer speaks, or the refusal of the token; `NoAnswer` if it says nothing that can be used.
    pub(super) async fn read(&self, answer: &FetchedResponse) -> Result<Result<Arc<Verified>, VerifyError>, NoAnswer> {
        let content_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        let is_signed = media_type.eq_ignore_ascii_case(SIGNED);
        let members = match (&self.signed_for, is_signed) {
            (Some(client_id), true) => self.signed_members(client_id, &answer.body).await?,
            (None, false) => answer.body.to_vec(),
            (Some(_), false) => return Err(NoAnswer::new("the answer is not signed, and the settings require that")),
            (None, true) => return Err(NoAnswer::new("the answer is signed, and the settings do not expect that")),
        };
        match read_introspection(&members, self.absent_audience.as_deref()) {
            Ok(Introspected::Active(claims)) => Ok(vouch(&self.verifier, &self.issuer, CredentialKind::Opaque, claims)),
            Ok(Introspected::Inactive) => Ok(Err(VerifyError::not_active())),
            Err(error) if error.kind() == Kind::Malformed => {
                let form = unexpected_form(&answer.headers, &answer.body).map(|form| format!("the answer is {form}"));
                Err(NoAnswer::new(form.unwrap_or_else(|| error.detail().to_owned())))
            }
            Err(error) => Ok(Err(error.after_signature())),
        }
    }

    /// The members of a signed answer; its key is fetched if it is not cached.
    async fn signed_members(&self, client_id: &str, body: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let text = std::str::from_utf8(body).map_err(|_| NoAnswer::new("the signed answer is not a token"))?.trim();
        let check = |outcome: Option<&_>| check_signed_answer(&self.verifier, &self.issuer, client_id, text, outcome);
        let mut checked = check(None);
        if let SignedAnswer::NeedsKeys(keys) = &checked {
            let outcome = keys.refresh().await;
            checked = check(Some(&outcome));
        }
        match checked {
            SignedAnswer::Genuine(members) => Ok(members),
            SignedAnswer::Refused(error) => Err(NoAnswer::new(format!("the signed answer cannot be used: {error}"))),
            SignedAnswer::NeedsKeys(_) => Err(NoAnswer::new("the key of the signed answer is not here")),
        }
    }
}
