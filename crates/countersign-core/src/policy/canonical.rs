//! The rules of a policy field by field, to compare those of two services.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The rules of a policy, field by field: the form of which the [`Fingerprint`](super::Fingerprint) is a digest.
///
/// [`Verifier::canonical_policy`](crate::verify::Verifier::canonical_policy) makes one, whatever the policy was read from. It has
/// no keys, no locations of keys, no settings of caches and nothing secret.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// let trusted = || NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
/// let ours = Verifier::new(trusted())?.canonical_policy();
/// let theirs = Verifier::new(trusted().leeway(Duration::from_secs(60)))?.canonical_policy();
/// let [difference] = &ours.differences(&theirs)[..] else { panic!("one field differs") };
/// assert_eq!(difference.field, "leeway");
/// assert_eq!(difference.to_string(), "issuers / https://id.example.com / leeway: 30s -> 60s");
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CanonicalPolicy {
    /// The rules of each configured issuer, by its name. A rule has its values, sorted; one that is not set is absent.
    pub issuers: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// The rules of the verifier itself.
    pub rules: BTreeMap<String, Vec<String>>,
}

/// A rule that two policies do not share. [`CanonicalPolicy`] has an example.
///
/// `Display` writes it as one line, with text of policies as it is: escape it for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyDifference {
    /// The issuer; `None` for a rule of the verifier itself.
    pub issuer: Option<String>,
    /// The name of the rule; empty if only one of the policies has the issuer.
    pub field: String,
    /// The values in the first policy; `None` if it has no such rule or issuer.
    pub ours: Option<Vec<String>>,
    /// The values in the other policy.
    pub theirs: Option<Vec<String>>,
}

impl CanonicalPolicy {
    /// The rules that differ, those of the verifier itself last.
    #[must_use]
    pub fn differences(&self, other: &CanonicalPolicy) -> Vec<PolicyDifference> {
        let mut differences = Vec::new();
        let names: BTreeSet<&String> = self.issuers.keys().chain(other.issuers.keys()).collect();
        for name in names {
            match (self.issuers.get(name), other.issuers.get(name)) {
                (Some(ours), Some(theirs)) => compare(Some(name), ours, theirs, &mut differences),
                (ours, theirs) => differences.push(PolicyDifference {
                    issuer: Some(name.clone()),
                    field: String::new(),
                    ours: ours.map(|_| Vec::new()),
                    theirs: theirs.map(|_| Vec::new()),
                }),
            }
        }
        compare(None, &self.rules, &other.rules, &mut differences);
        differences
    }
}

fn compare(
    issuer: Option<&String>,
    ours: &BTreeMap<String, Vec<String>>,
    theirs: &BTreeMap<String, Vec<String>>,
    differences: &mut Vec<PolicyDifference>,
) {
    let fields: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differing = fields.into_iter().filter(|field| ours.get(*field) != theirs.get(*field));
    differences.extend(differing.map(|field| PolicyDifference {
        issuer: issuer.cloned(),
        field: field.clone(),
        ours: ours.get(field).cloned(),
        theirs: theirs.get(field).cloned(),
    }));
}

impl PolicyDifference {
    /// The place of the rule, such as `issuers / https://id.example.com / leeway`.
    #[must_use]
    pub fn path(&self) -> String {
        let parts = self.issuer.iter().flat_map(|issuer| ["issuers", issuer]).chain([&*self.field]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" / ")
    }
}

impl std::fmt::Display for PolicyDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |values: &Option<Vec<String>>| match values {
            None => "not set".to_owned(),
            Some(values) if self.field.is_empty() && values.is_empty() => "trusted".to_owned(),
            Some(values) => values.iter().map(|value| shown(value)).collect::<Vec<_>>().join(", "),
        };
        write!(f, "{}: {} -> {}", self.path(), text(&self.ours), text(&self.theirs))
    }
}

/// A time without its zeros: `30s` for `30.000000000`.
fn shown(value: &str) -> String {
    match value.split_once('.') {
        Some((whole, fraction))
            if fraction.len() == 9 && format!("{whole}{fraction}").bytes().all(|b| b.is_ascii_digit()) =>
        {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { format!("{whole}s") } else { format!("{whole}.{fraction}s") }
        }
        _ => value.to_owned(),
    }
}
