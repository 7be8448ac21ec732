//! Claims that a token declares, but does not contain (OpenID Connect Core §5.6.2).

use std::collections::BTreeMap;

use super::kind::declares_kind;
use super::payload::Payload;
use super::registered::RegisteredClaim as Claim;
use crate::error::{VerifyError, VerifyErrorKind as Kind};

impl Payload {
    /// The top-level claims that the token declares, but that are elsewhere.
    pub(crate) fn distributed(&self) -> Result<Vec<String>, VerifyError> {
        let mut names = Vec::new();
        if let Some(json) = self.claim_names {
            let sources: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_str(self.text(json))
                .map_err(|_| VerifyError::new(Kind::InvalidClaim, "_claim_names is not an object of claim names"))?;
            names.extend(sources.into_keys());
        }
        if self.has_groups_elsewhere {
            names.push("groups".to_owned());
        }
        Ok(names)
    }

    /// Returns whether the token declares that the top-level claim `name` is elsewhere, or anything that is no such declaration.
    pub(crate) fn is_elsewhere(&self, name: &str) -> bool {
        // Few tokens declare anything.
        self.claim_names.is_some() && self.distributed().map_or(true, |names| names.iter().any(|other| other == name))
    }

    /// Refuses a token that declares to be elsewhere what decides whether it is valid, and for what: such a claim never counts
    /// as absent.
    #[cold]
    pub(super) fn check_claim_names(&self) -> Result<(), VerifyError> {
        match self.distributed()?.iter().find(|name| decides_validity(name)) {
            None => Ok(()),
            Some(name) => {
                let detail =
                    format!("_claim_names says that {name} is elsewhere; it must be in the token, or not exist");
                Err(VerifyError::new(Kind::InvalidClaim, detail))
            }
        }
    }

    pub(super) fn has_claim_names(&self) -> bool {
        self.claim_names.is_some()
    }
}

/// Returns whether the rules of a policy read the claim `name`. Rules over the other claims find out that one is elsewhere.
fn decides_validity(name: &str) -> bool {
    match Claim::from_name(name) {
        Some(
            Claim::ClientId
            | Claim::AuthenticationContext
            | Claim::AuthenticationMethods
            | Claim::AuthenticationTime
            | Claim::Scope
            | Claim::Scp
            | Claim::Actor,
        ) => false,
        Some(_) => true,
        None => declares_kind(name),
    }
}
