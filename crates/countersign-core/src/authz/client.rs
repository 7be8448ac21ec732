//! The client of a token, read from the claim that the issuer uses, and the tokens that clients get for themselves.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pointer::{mismatch, type_of, value_at};
use crate::error::VerifyError;
use crate::token::{ListClaim, Payload};

/// The mark of a token that a client got for itself, and not for somebody who signed in.
///
/// [`client`](super::client) is met only by such tokens. A token with an actor never is one.
///
/// ```
/// use countersign_core::authz::{Authorities, OwnTokens};
///
/// // Auth0 writes the client into `azp`, and `ID@clients` as the subject of its own tokens.
/// let authorities = Authorities::new().client_at("/azp").own_tokens(OwnTokens::SubjectAtClients);
/// # let _ = authorities;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OwnTokens {
    /// The subject is the client's id (RFC 9068 §2.2). The default.
    #[default]
    SubjectIsClient,
    /// The subject is `ID@clients` (Auth0).
    SubjectAtClients,
    /// The user is `service-account-ID`, and `client_id` is the client's id (Keycloak, whose subjects are never clients).
    ServiceAccount,
    /// Every token: the issuer names no users, only workloads (Kubernetes, SPIFFE). The client is the subject, whatever
    /// `client_at` and `client_id` say.
    Workload,
    /// `idtyp` is `app`; without that optional claim, the subject is the object (`oid`), and no scope is delegated (Microsoft
    /// Entra ID).
    AppOnly,
}

impl OwnTokens {
    /// The claims that it reads, besides subject and client.
    pub(super) fn marks(self) -> impl Iterator<Item = &'static str> {
        let registered: &[&str] = match self {
            OwnTokens::SubjectIsClient | OwnTokens::SubjectAtClients | OwnTokens::Workload => &[],
            OwnTokens::ServiceAccount => &["client_id"],
            OwnTokens::AppOnly => &["scp"],
        };
        self.claim_names().iter().chain(registered).copied()
    }

    /// The claims that it reads besides the registered ones.
    pub(super) fn claim_names(self) -> &'static [&'static str] {
        match self {
            OwnTokens::SubjectIsClient | OwnTokens::SubjectAtClients | OwnTokens::Workload => &[],
            OwnTokens::ServiceAccount => &["preferred_username", "clientId"],
            OwnTokens::AppOnly => &["idtyp", "oid"],
        }
    }

    /// As text, for fingerprints.
    pub(super) fn describe(self) -> Option<&'static str> {
        match self {
            OwnTokens::SubjectIsClient => None,
            OwnTokens::SubjectAtClients => Some("subject_at_clients"),
            OwnTokens::ServiceAccount => Some("service_account"),
            OwnTokens::Workload => Some("workload"),
            OwnTokens::AppOnly => Some("app_only"),
        }
    }

    /// Returns whether `client` got the token with these claims for itself.
    #[inline]
    pub(super) fn is_own(self, payload: &Payload, claim_names: &[Box<str>], client: &str) -> Result<bool, VerifyError> {
        let subject = payload.subject.map_or("", |text| payload.text(text));
        if client.is_empty() || subject.is_empty() {
            return Ok(false);
        }
        let claim = |pointer: &str| string_at(payload, claim_names, pointer);
        Ok(match self {
            OwnTokens::SubjectIsClient | OwnTokens::Workload => subject == client,
            OwnTokens::SubjectAtClients => subject.strip_suffix("@clients") == Some(client),
            OwnTokens::ServiceAccount => {
                let user = claim("/preferred_username")?;
                let name = user.as_deref().and_then(|user| user.strip_prefix("service-account-"));
                // Users choose their names, but nobody who signs in gets this claim.
                let id = match client_id(payload) {
                    None => claim("/clientId")?,
                    id => id,
                };
                name.is_some_and(|name| name == client.to_lowercase()) && id.as_deref() == Some(client)
            }
            OwnTokens::AppOnly => match claim("/idtyp")? {
                Some(kind) => kind == "app",
                None => payload.scp == ListClaim::Absent && claim("/oid")?.as_deref() == Some(subject),
            },
        })
    }
}

/// The claim `sub`.
pub(super) fn subject(payload: &Payload) -> Option<Cow<'_, str>> {
    payload.subject.map(|text| Cow::Borrowed(payload.text(text)))
}

/// The claim `client_id`.
#[inline]
pub(super) fn client_id(payload: &Payload) -> Option<Cow<'_, str>> {
    payload.client_id.map(|text| Cow::Borrowed(payload.text(text)))
}

/// The string at `pointer`; `None` if it is absent or `null`.
pub(super) fn string_at<'p>(
    payload: &'p Payload,
    claim_names: &[Box<str>],
    pointer: &str,
) -> Result<Option<Cow<'p, str>>, VerifyError> {
    if pointer == "/client_id" {
        return Ok(client_id(payload));
    }
    match value_at(payload, claim_names, pointer)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Owned(text))),
        Some(other) => Err(mismatch(pointer, "a string", type_of(&other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_21_s15_06_no_token_without_a_client_or_a_subject_is_a_clients_own() {
        let names = ["clientId", "idtyp", "oid", "preferred_username"].map(Box::from);
        let user = r#""client_id":"a","preferred_username":"service-account-a""#;
        for (mark, claims, client, is_own) in [
            (OwnTokens::SubjectIsClient, r#"{"sub":"a"}"#, "a", true),
            (OwnTokens::SubjectIsClient, r#"{"sub":"a"}"#, "b", false),
            (OwnTokens::SubjectAtClients, r#"{"sub":"a@clients"}"#, "a", true),
            (OwnTokens::SubjectAtClients, r#"{"sub":"@clients"}"#, "", false),
            (OwnTokens::ServiceAccount, &format!(r#"{{"sub":"u",{user}}}"#), "a", true),
            (OwnTokens::ServiceAccount, &format!("{{{user}}}"), "a", false),
            (OwnTokens::AppOnly, r#"{"sub":"u","idtyp":"app"}"#, "a", true),
            (OwnTokens::AppOnly, r#"{"sub":"","idtyp":"app"}"#, "a", false),
            (OwnTokens::AppOnly, r#"{"sub":"u","idtyp":"app"}"#, "", false),
        ] {
            let payload = Payload::parse(claims.as_bytes().to_vec(), &names).expect("claims");
            assert_eq!(mark.is_own(&payload, &names, client).ok(), Some(is_own), "{mark:?} {claims} {client}");
        }
    }
}
