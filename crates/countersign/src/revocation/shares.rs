//! Shares of issuers and of whom tokens belong to, in a list of bounded size.

use countersign_core::integration::{NestedBudget, NestedPermit};
use countersign_core::verify::Verified;

/// The parts of the list that issuers and holders may fill.
///
/// The list has room for twice `max_entries`. The holders of one issuer get half of it, and one holder as many entries as are
/// free in that part. The operator's entries about an issuer are apart, so that its holders never keep the operator from
/// revoking.
#[derive(Debug)]
pub(super) struct ListShares(NestedBudget<2>);

/// The place of one entry, free again when it is dropped.
pub(super) type Place = NestedPermit<2>;

/// The holder of a token: its subject, else its client. A subject and a client of the same name are two.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Holder<'t> {
    Subject(&'t str),
    Client(&'t str),
    Nobody,
}

impl<'t> Holder<'t> {
    pub(super) fn of(token: &'t Verified) -> Self {
        let client = || token.client_id().filter(|client| !client.is_empty());
        match token.subject() {
            "" => client().map_or(Holder::Nobody, Holder::Client),
            subject => Holder::Subject(subject),
        }
    }
}

impl ListShares {
    pub(super) fn new(max_entries: usize) -> Self {
        let entries = u32::try_from(max_entries).unwrap_or(u32::MAX);
        ListShares(NestedBudget::new(entries.saturating_mul(2), [entries, entries]))
    }

    /// The place of an entry about a token of `holder`, or of the operator's; `None` if the share is used up.
    pub(super) fn place(&self, issuer: &str, holder: Option<Holder<'_>>) -> Option<Place> {
        let outer = self.0.key(&(issuer, holder.is_some()));
        let inner = holder.map(|holder| self.0.key(&holder));
        self.0.acquire([Some(outer), inner]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s15_01_a_holder_is_one_of_its_issuer() {
        let shares = ListShares::new(4);
        let place = |issuer, holder| shares.place(issuer, Some(holder));
        let taken = [place("one", Holder::Subject("ann")), place("one", Holder::Subject("ann"))];
        assert!(
            taken.iter().all(Option::is_some) && place("one", Holder::Subject("ann")).is_none(),
            "half of the share"
        );
        let others = [place("two", Holder::Subject("ann")), place("two", Holder::Subject("ann"))];
        assert!(others.iter().all(Option::is_some), "the ann of another issuer");
        assert!(place("one", Holder::Client("ann")).is_some(), "and the client of that name");
        drop(taken);
        assert!(place("one", Holder::Subject("ann")).is_some());
    }
}
