//! The facts that a token leaves open.

/// A fact about the caller that requirements read from [`Grants`](super::Grants).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Scopes,
    Roles,
    Permissions,
    Groups,
    Methods,
    Tenant,
    LoginTime,
    /// The client, and whether the token is its own.
    Client,
}

/// The facts whose claims are not in the token, although it has them. An unknown fact is not an empty one: rules over it
/// refuse, and so do their negations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnknownFacts(u8);

impl UnknownFacts {
    pub(crate) fn insert(&mut self, fact: Fact) {
        self.0 |= 1 << fact as u8;
    }

    pub(crate) fn contains(self, fact: Fact) -> bool {
        self.0 & 1 << fact as u8 != 0
    }
}
