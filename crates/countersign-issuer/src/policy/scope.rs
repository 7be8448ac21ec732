//! Sets of scopes (RFC 6749 §3.3): case-sensitive words without an order.

use std::collections::BTreeSet;

/// The most scopes that one request may name.
const MAX_SCOPES: usize = 64;

/// A set of scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScopeSet(pub(crate) BTreeSet<Box<str>>);

impl ScopeSet {
    /// Reads the `scope` of a request. `None` if a scope is malformed or there are more than 64.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let is_fine = words.len() <= MAX_SCOPES && words.iter().all(|word| is_scope(word));
        is_fine.then(|| words.into_iter().map(Box::from).collect())
    }

    pub(crate) fn from_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        names.into_iter().map(|name| name.into().into_boxed_str()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_within(&self, allowed: &ScopeSet) -> bool {
        self.0.is_subset(&allowed.0)
    }

    /// The problem of a configured set, if one of its scopes has not the form of the RFC.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let is_malformed = self.0.iter().any(|scope| !is_scope(scope));
        is_malformed.then_some("a scope is empty or contains a space, a quote or a character outside ASCII")
    }

    /// The scopes that both sets contain.
    pub(crate) fn intersection(&self, other: &ScopeSet) -> ScopeSet {
        ScopeSet(self.0.intersection(&other.0).cloned().collect())
    }

    /// The form in tokens and responses: separated by spaces.
    pub(crate) fn to_text(&self) -> String {
        self.0.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(" ")
    }
}

impl FromIterator<Box<str>> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Box<str>>>(scopes: I) -> Self {
        ScopeSet(scopes.into_iter().collect())
    }
}

/// Returns whether `word` is a `scope-token`: printable ASCII without space, quote and backslash.
fn is_scope(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_07_scopes_have_the_form_of_the_rfc() {
        assert_eq!(ScopeSet::parse("b a b").expect("fine").to_text(), "a b");
        assert!(ScopeSet::parse("").expect("nothing asked").is_empty());
        for bad in ["a\"", "a\\b", "a\tb", "é", "a\u{0}"] {
            assert_eq!(ScopeSet::parse(bad), None, "{bad:?}");
        }
        assert_eq!(ScopeSet::parse(&"a ".repeat(65)), None);
    }
}
