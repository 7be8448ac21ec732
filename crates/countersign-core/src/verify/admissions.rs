//! The resolved issuers that a verifier has admitted or refused for their names.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::authz::namespaces::{NamedBy, Namespaces};
use crate::policy::ResolvedIssuer;

/// The most prefixes and tenants of one verifier.
const MAX_NAMES: usize = 65_536;

/// The names of all issuers, and the decision on each resolved one. What an issuer takes is dropped once it is no longer
/// trusted and [checked](Self::next_to_check), or at once if another issuer needs its names.
pub(super) struct Admissions {
    pub(super) names: Namespaces,
    decisions: HashMap<Arc<str>, Decision>,
    /// The names of all decisions, those that were checked longest ago first. One whose number is not that of the decision is
    /// left over from an earlier decision.
    order: VecDeque<(u64, Arc<str>)>,
    decided: u64,
}

/// The decision on the issuer of this number.
struct Decision {
    number: u64,
    /// The number of its place in the order.
    place: u64,
    result: Result<(), Refusal>,
}

/// The reason why an issuer is not admitted.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) detail: String,
    /// The other issuer of its names; `None` if there are too many names.
    pub(super) other: Option<Arc<str>>,
}

impl Admissions {
    pub(super) fn new(configured: Namespaces) -> Self {
        Admissions { names: configured, decisions: HashMap::new(), order: VecDeque::new(), decided: 0 }
    }

    /// The decision on this answer of the source; `None` if there is none, or its names were given to another issuer.
    pub(super) fn decision(&self, found: &ResolvedIssuer) -> Option<Result<(), Refusal>> {
        let decision = self.decisions.get(found.issuer().issuer())?;
        (decision.number == found.number()).then(|| decision.result.clone())
    }

    /// Admits an issuer if none of its names can be that of another one.
    pub(super) fn add(&mut self, found: &ResolvedIssuer, named: &NamedBy<'_>) -> Result<(), Refusal> {
        self.names.remove(named.issuer);
        let result = if self.names.len() < MAX_NAMES {
            self.names.add_resolved(named).map_err(|collision| Refusal {
                detail: collision.fault.problem.into_owned(),
                other: collision.other.map(Arc::from),
            })
        } else {
            let detail = format!("the issuers have more than {MAX_NAMES} prefixes and tenants");
            Err(Refusal { detail, other: None })
        };
        match self.decisions.get_mut(named.issuer) {
            Some(decision) => *decision = Decision { number: found.number(), result: result.clone(), ..*decision },
            None => {
                self.decided += 1;
                let (name, place): (Arc<str>, _) = (named.issuer.into(), self.decided);
                self.order.push_back((place, Arc::clone(&name)));
                self.decisions.insert(name, Decision { number: found.number(), place, result: result.clone() });
            }
        }
        result
    }

    /// The issuers whose trust was not checked for longest, at most `count` of them.
    pub(super) fn next_to_check(&mut self, count: usize) -> Vec<Arc<str>> {
        let count = count.min(self.order.len());
        let is_current =
            |(place, name): &(u64, Arc<str>)| self.decisions.get(name).is_some_and(|decision| decision.place == *place);
        let next: Vec<_> = self.order.drain(..count).filter(is_current).collect();
        self.order.extend(next.iter().cloned());
        next.into_iter().map(|(_, name)| name).collect()
    }

    /// Drops the names of issuers that are no longer trusted, and the decisions on them.
    pub(super) fn forget(&mut self, issuers: &[Arc<str>]) {
        for issuer in issuers {
            self.names.remove(issuer);
            self.decisions.remove(issuer);
        }
    }
}
