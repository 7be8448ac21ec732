//! The report about a shadow policy.

use std::collections::BTreeMap;

use countersign_core::error::VerifyErrorKind;
use countersign_core::verify::ShadowCounts;
use serde::{Deserialize, Serialize};

/// The differences that a [`ShadowPolicy`](super::ShadowPolicy) would make. Its example has one. Nothing in it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShadowReport {
    /// The address or file, without a query.
    pub source: String,
    /// The revision that the policy is to become, if it comes in a bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The fingerprint of the policy, in hexadecimal; absent while none is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// One of so many requests is compared.
    pub one_in: u32,
    /// The tokens that were compared, with those that could not be. A cached token counts once, a refused one each time.
    pub compared: u64,
    /// Tokens that could not be compared, because keys are missing.
    pub undecided: u64,
    /// Accepted tokens with other authorities, or another subject, client or tenant.
    pub other_authorities: u64,
    /// Accepted tokens that the shadow policy refuses, by its code.
    pub newly_refused: BTreeMap<String, u64>,
    /// Refused tokens that the shadow policy accepts, by the code of the policy in force.
    pub newly_admitted: BTreeMap<String, u64>,
    /// The reason why the last document was refused, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ShadowReport {
    pub(super) fn with_counts(mut self, counts: Option<ShadowCounts>) -> Self {
        let Some(counts) = counts else { return self };
        let by_code = |counts: Vec<(VerifyErrorKind, u64)>| {
            counts.into_iter().map(|(kind, number)| (kind.code().to_owned(), number)).collect::<BTreeMap<_, _>>()
        };
        self.fingerprint = Some(counts.fingerprint.to_string());
        (self.compared, self.undecided) = (counts.compared, counts.undecided);
        self.other_authorities = counts.other_authorities;
        self.newly_refused = by_code(counts.newly_refused);
        self.newly_admitted = by_code(counts.newly_admitted);
        self
    }
}
