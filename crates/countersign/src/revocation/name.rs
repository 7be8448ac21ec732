//! Keys of the maps in this module.

use std::sync::Arc;

use papaya::Equivalent;

/// The token or subject that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    kind: Kind,
    issuer: Arc<str>,
    name: Arc<str>,
}

/// A borrowed [`Name`], so that a lookup allocates nothing.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct NameRef<'n> {
    kind: Kind,
    issuer: &'n str,
    name: &'n str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Token,
    Subject,
}

impl<'n> NameRef<'n> {
    pub(super) fn token(issuer: &'n str, token_id: &'n str) -> Self {
        NameRef { kind: Kind::Token, issuer, name: token_id }
    }

    pub(super) fn issuer(&self) -> &'n str {
        self.issuer
    }

    pub(super) fn subject(issuer: &'n str, subject: &'n str) -> Self {
        NameRef { kind: Kind::Subject, issuer, name: subject }
    }
}

impl From<NameRef<'_>> for Name {
    fn from(NameRef { kind, issuer, name }: NameRef<'_>) -> Self {
        Name { kind, issuer: issuer.into(), name: name.into() }
    }
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.kind == name.kind && *self.issuer == *name.issuer && *self.name == *name.name
    }
}
