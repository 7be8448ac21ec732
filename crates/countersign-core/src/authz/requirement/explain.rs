//! The explanation of a denial: the unmet parts of a requirement.

use std::fmt;

use super::condition::Condition;
use super::facts::{Facts, Unknown};
use super::found::UnmetPart;
use super::rule::{Part, Requirement, Rule};
use super::verdict::Verdict;

/// The most parts that an explanation names.
const MAX_PARTS: usize = 8;

/// The most findings of one part.
const MAX_FOUND: usize = 16;

/// The longest text of an explanation, in characters.
const MAX_CHARS: usize = 2048;

/// The parts of a requirement that a caller does not meet, and what the caller has of that kind.
///
/// [`Verified::explain`](crate::verify::Verified::explain) makes it. It has no parts if the requirement is met.
///
/// ```
/// use countersign_core::authz::scope;
/// use countersign_core::verify::Verified;
///
/// fn assert_may_export(token: &Verified) {
///     let export = scope("orders:export");
///     assert!(token.meets(&export), "unmet: {}", token.explain(&export));
/// }
/// # let _ = assert_may_export;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Explanation(Vec<UnmetPart>);

impl Explanation {
    /// The unmet parts.
    pub fn unmet(&self) -> &[UnmetPart] {
        &self.0
    }

    /// The unmet parts as text, with nothing of the caller: `scope orders:write; role manager`.
    #[must_use]
    pub fn parts(&self) -> String {
        self.joined(|part| part.part().to_owned())
    }

    fn joined(&self, text: impl Fn(&UnmetPart) -> String) -> String {
        let mut parts: Vec<String> = self.0.iter().take(MAX_PARTS).map(text).collect();
        let more = self.0.len().saturating_sub(MAX_PARTS);
        parts.extend((more > 0).then(|| format!("{more} more")));
        let mut joined = parts.join("; ");
        if let Some((end, _)) = joined.char_indices().nth(MAX_CHARS) {
            joined.truncate(end);
            joined.push('…');
        }
        joined
    }
}

/// `role Manager (the caller has roles clerk); scope write (the caller has scopes read)`, on one line of limited length.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined(ToString::to_string))
    }
}

/// The result of one part, as in `verdict`.
enum Finding {
    Met,
    Neutral,
    Unmet(Vec<UnmetPart>),
    Unknown(Vec<UnmetPart>),
}

impl Requirement {
    /// Explains a denial over the same facts. Parts in shadow mode are not evaluated, and no listener is called.
    pub(crate) fn explain(&self, facts: &Facts<'_>) -> Explanation {
        match self.finding(facts) {
            Finding::Unmet(parts) | Finding::Unknown(parts) => Explanation(parts),
            Finding::Met | Finding::Neutral if self.is_sound() => Explanation::default(),
            Finding::Met | Finding::Neutral => Explanation(vec![self.faulty()]),
        }
    }

    fn finding(&self, facts: &Facts<'_>) -> Finding {
        let rule = match self.part() {
            Part::Condition(condition) => return condition_finding(condition, facts),
            Part::Combined(rule) => rule,
        };
        match rule {
            faulty if faulty.fault().is_some() => Finding::Unknown(vec![self.faulty()]),
            Rule::All(all) => match all.iter().find_map(Requirement::issuer) {
                Some(issuer) => all_of(all, &Facts { issuer_in_force: Some(issuer), ..*facts }),
                None => all_of(all, facts),
            },
            Rule::Any(any) => self.some_of(1, any, facts),
            Rule::AtLeast(count, parts) => self.some_of(*count, parts, facts),
            Rule::Not(inner) => match inner.finding(facts) {
                Finding::Met => Finding::Unmet(vec![self.whole(vec!["the caller meets what is denied".to_owned()])]),
                Finding::Unmet(_) => Finding::Met,
                same => same,
            },
            Rule::Hidden(inner) => inner.finding(facts),
            Rule::InTransaction(inner) => match facts.of_transaction() {
                Some(facts) => inner.finding(&facts),
                None if inner.is_shadow() => Finding::Neutral,
                None => Finding::Unknown(vec![self.whole(vec![Unknown::NoTransaction.to_string()])]),
            },
            Rule::Shadow(..) => Finding::Neutral,
        }
    }

    /// At least `count` of `parts`: unmet as a whole.
    fn some_of(&self, count: usize, parts: &[Requirement], facts: &Facts<'_>) -> Finding {
        let (mut met, mut unknown, mut neutral) = (0, 0, 0);
        let mut unmet: Vec<UnmetPart> = Vec::new();
        for part in parts {
            match part.finding(facts) {
                Finding::Met => met += 1,
                Finding::Neutral => neutral += 1,
                Finding::Unmet(found) => unmet.extend(found),
                Finding::Unknown(found) => {
                    unknown += 1;
                    unmet.extend(found);
                }
            }
        }
        if met >= count {
            return Finding::Met;
        }
        if neutral == parts.len() {
            return Finding::Neutral;
        }
        let mut whole = self.whole(Vec::new());
        whole.needs_request = unmet.iter().any(UnmetPart::needs_request);
        for found in unmet.into_iter().flat_map(|part| part.found) {
            if whole.found.len() < MAX_FOUND && !whole.found.contains(&found) {
                whole.found.push(found);
            }
        }
        let has_too_few = count > parts.len() - neutral; // as in the decision
        if count - met <= unknown || has_too_few { Finding::Unknown(vec![whole]) } else { Finding::Unmet(vec![whole]) }
    }

    fn whole(&self, found: Vec<String>) -> UnmetPart {
        UnmetPart { part: self.to_string(), found, needs_request: false }
    }

    fn faulty(&self) -> UnmetPart {
        self.whole(vec!["a configuration fault, so nobody meets it; see check_config".to_owned()])
    }
}

fn all_of(all: &[Requirement], facts: &Facts<'_>) -> Finding {
    let (mut unmet, mut has_unmet, mut has_met) = (Vec::new(), false, false);
    for part in all {
        match part.finding(facts) {
            Finding::Neutral => {}
            Finding::Met => has_met = true,
            Finding::Unmet(parts) => {
                has_unmet = true;
                unmet.extend(parts);
            }
            Finding::Unknown(parts) => unmet.extend(parts),
        }
    }
    match (unmet.is_empty(), has_unmet, has_met) {
        (false, true, _) => Finding::Unmet(unmet),
        (false, false, _) => Finding::Unknown(unmet),
        (true, _, true) => Finding::Met,
        (true, ..) => Finding::Neutral,
    }
}

fn condition_finding(condition: &dyn Condition, facts: &Facts<'_>) -> Finding {
    let unmet = |reason: Option<String>| {
        let mut found = condition.found(facts);
        found.extend(reason);
        vec![UnmetPart { part: condition.to_string(), found, needs_request: condition.needs_request() }]
    };
    match condition.evaluate(facts) {
        Verdict::Met => Finding::Met,
        Verdict::Neutral => Finding::Neutral,
        Verdict::Unmet(_) => Finding::Unmet(unmet(None)),
        Verdict::Unknown(_, reason) => Finding::Unknown(unmet(Some(reason.to_string()))),
    }
}
