//! The interface of a single condition: everything that a kind of requirement has to define.

use std::fmt;

use serde_json::Value;

use super::facts::Facts;
use super::verdict::Verdict;
use crate::authz::Denial;

/// A condition that is not made of other requirements.
///
/// Its `Display` is the text for people. It stays on one line: names are written through [`Escaped`].
pub(super) trait Condition: fmt::Display + Send + Sync {
    /// The name of the kind in data, which is that of its constructor.
    fn kind(&self) -> &'static str;

    /// The argument of the constructor in data.
    fn argument(&self) -> Value;

    /// Decides over the facts of one request.
    fn evaluate(&self, facts: &Facts<'_>) -> Verdict;

    /// A description of the caller's names of this kind, without subjects and values of claims. Only explanations of a denial ask.
    fn found(&self, facts: &Facts<'_>) -> Vec<String>;

    /// Compares by kind and argument.
    fn is_same(&self, other: &dyn Condition) -> bool {
        self.kind() == other.kind() && self.argument() == other.argument()
    }

    /// The scope that it asks for.
    fn scope(&self) -> Option<&str> {
        None
    }

    /// The login that it asks for.
    fn login(&self) -> Option<Denial> {
        None
    }

    /// The issuer that it demands.
    fn issuer(&self) -> Option<&str> {
        None
    }

    /// The parameter of the request's path that it reads.
    fn path_parameter(&self) -> Option<&str> {
        None
    }

    /// Returns whether the condition reads the transaction of the request.
    fn needs_transaction(&self) -> bool {
        false
    }

    /// Returns whether the condition reads the request.
    fn needs_request(&self) -> bool {
        false
    }
}

/// A name without the characters that could break a log line in two or turn its direction.
pub(super) struct Escaped<'n>(pub(super) &'n str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '"' | '\'' | '\\' => write!(f, "{character}"),
            other => write!(f, "{}", other.escape_debug()),
        })
    }
}
