//! A stable identifier of a policy: SHA-256 over its canonical form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use aws_lc_rs::digest;

use super::TrustedIssuer;
use crate::key::Algorithm;

/// A digest over every rule of a policy.
///
/// Policies with equal fingerprints accept the same tokens if they have the same keys.
///
/// The order and repetition of list items do not matter. The sources of keys and the cache are not included.
///
/// ```
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
/// # use std::sync::Arc;
/// # fn verifier() -> Result<Verifier, countersign_core::error::ConfigError> {
/// #     Verifier::new(NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders"))
/// # }
/// assert_eq!(verifier()?.fingerprint(), verifier()?.fingerprint());
/// assert_eq!(verifier()?.fingerprint().to_string().len(), 64); // hexadecimal
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The canonical form: named fields, values with lengths, sorted lists without duplicates.
pub(crate) struct Canonical {
    /// The kind and version of the form, then the fields in their order.
    fields: Vec<(String, BTreeSet<String>)>,
}

impl Canonical {
    /// Starts the canonical form of `what`; another version gives another fingerprint.
    pub(crate) fn new(what: &str, version: u8) -> Self {
        let mut canonical = Canonical { fields: Vec::new() };
        canonical.list(what, [version.to_string()]);
        canonical
    }

    /// Adds a field.
    pub(crate) fn list<T: AsRef<str>>(&mut self, field: &str, values: impl IntoIterator<Item = T>) {
        let sorted = values.into_iter().map(|value| value.as_ref().to_owned()).collect();
        self.fields.push((field.to_owned(), sorted));
    }

    pub(crate) fn digest(&self) -> Fingerprint {
        let mut text = String::new();
        for (field, values) in &self.fields {
            let _ = writeln!(text, "{field} {}", values.len()); // writing to a String cannot fail
            for value in values {
                let _ = writeln!(text, "{}:{value}", value.len());
            }
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Fingerprint(bytes)
    }

    /// The fields that have values, by name.
    pub(crate) fn into_rules(self) -> BTreeMap<String, Vec<String>> {
        let rules = self.fields.into_iter().skip(1).filter(|(_, values)| !values.is_empty());
        rules.map(|(field, values)| (field, values.into_iter().collect())).collect()
    }
}

impl TrustedIssuer {
    /// The fingerprint of this issuer's rules.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.canonical().digest()
    }

    /// The form of which the fingerprint is a digest.
    pub(crate) fn canonical(&self) -> Canonical {
        let seconds = |time: std::time::Duration| format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
        let mut form = Canonical::new("issuer policy", 1);
        form.list("issuer", [&self.issuer]);
        form.list("audience", if self.any_audience { &[] } else { &self.audiences[..] });
        form.list("algorithms", self.algorithms.iter().map(|algorithm| algorithm.name()));
        form.list("profile", [self.profile.name()]);
        form.list("leeway", [seconds(self.leeway)]);
        form.list("lifetime", self.lifetime_bound().map(seconds));
        form.list("max_age", self.max_age.map(seconds));
        form.list("required", &self.required);
        let lengths = |(name, value): &(String, String)| format!("{}:{name}{}:{value}", name.len(), value.len());
        if !self.required_values.is_empty() {
            form.list("required_values", self.required_values.iter().map(lengths));
        }
        for (name, values) in &self.allowed_values {
            form.list(&format!("allowed_values {}:{name}", name.len()), values);
        }
        form.list("refused_subject_prefixes", &self.refused_subject_prefixes);
        form.list("allowed_clients", &self.allowed_clients);
        form.list("client_id_for_absent_audience", self.client_id_for_absent_audience.then_some("yes"));
        form.list("weakenings", self.weakenings());
        // Newer rules are written only if they are set, so that fingerprints stay the same across releases.
        if self.unlabelled_rsa != Algorithm::RS256 {
            form.list("unlabelled_rsa", [self.unlabelled_rsa.name()]);
        }
        if let Some((name, values)) = &self.kind_claim {
            form.list(&format!("kind_claim {}:{name}", name.len()), values);
        }
        if let Some(name) = &self.trust_domain {
            form.list("spiffe_trust_domain", [name]);
        }
        if self.client_required {
            form.list("client_required", ["yes"]);
        }
        if self.nonce_allowed {
            form.list("nonce_in_access_tokens", ["yes"]);
        }
        if self.proof_required {
            form.list("proof_of_possession_required", ["yes"]);
        }
        if !self.token_types.is_empty() {
            form.list("token_types", &self.token_types);
        }
        if let Some(rules) = self.transactions {
            form.list("transactions", [if rules.has_issuer { "issuer" } else { "no issuer" }]);
        }
        if let Some(lists) = &self.status_lists {
            lists.describe(&mut |field, values| form.list(field, values));
        }
        self.authorities.describe(&mut |field, values| form.list(field, values));
        form
    }
}
