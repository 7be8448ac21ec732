//! Descriptions of the names that a caller has, for logs and tests.

use std::fmt;

use crate::authz::names::Names;
use crate::redact::word;

/// The most names that one list shows.
const MAX_NAMES: usize = 16;

/// `the caller has roles clerk, manager`, at most 16 of them.
pub(super) fn list(title: &str, names: &Names) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(word).collect();
    match (shown.is_empty(), names.len().saturating_sub(MAX_NAMES)) {
        (true, _) => format!("the caller has no {title}"),
        (_, 0) => format!("the caller has {title} {}", shown.join(", ")),
        (_, more) => format!("the caller has {title} {} and {more} more", shown.join(", ")),
    }
}

/// A hint if one of `names` is `wanted` in another case.
pub(super) fn near_miss<'n>(wanted: &str, mut names: impl Iterator<Item = &'n str>) -> Option<String> {
    let similar = names.find(|name| differs_by_case(wanted, name))?;
    Some(format!("{} differs from {} only by case, and names are compared with case", word(similar), word(wanted)))
}

/// Returns whether two names differ, and only by case.
pub(super) fn differs_by_case(one: &str, other: &str) -> bool {
    let lower = |name: &str| name.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    one != other && (one.eq_ignore_ascii_case(other) || (!one.is_ascii() && lower(one) == lower(other)))
}

/// A part of a requirement that a caller does not meet. Displays as `role Manager (the caller has roles clerk)`.
///
/// What the caller has comes from its token: it belongs into logs of development and messages of tests, not into answers.
/// Names are escaped, cut, and in quotes unless they are one word; subjects and values of claims do not appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetPart {
    pub(super) part: String,
    pub(super) found: Vec<String>,
    pub(super) needs_request: bool,
}

impl UnmetPart {
    /// The part as the requirement prints it, with nothing of the caller.
    #[must_use]
    pub fn part(&self) -> &str {
        &self.part
    }

    /// Returns whether the part compares with the request.
    #[must_use]
    pub fn needs_request(&self) -> bool {
        self.needs_request
    }
}

impl fmt::Display for UnmetPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found.is_empty() {
            true => f.write_str(&self.part),
            false => write!(f, "{} ({})", self.part, self.found.join("; ")),
        }
    }
}
