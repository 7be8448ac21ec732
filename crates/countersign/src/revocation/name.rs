//! Keys of the maps in this module.

use std::sync::Arc;

use countersign_core::integration::sha256;
use papaya::Equivalent;

/// The token or subject that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    kind: Kind,
    issuer: Arc<str>,
    name: Text<Arc<str>>,
}

/// A name, or the digest of a long one, so that callers do not decide how much memory an entry takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Text<T> {
    Whole(T),
    Digest([u8; 32]),
}

/// The longest name that is stored whole, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// A borrowed [`Name`], so that a lookup allocates nothing.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct NameRef<'n> {
    kind: Kind,
    issuer: &'n str,
    name: Text<&'n str>,
}

/// The kind of a name: names of different kinds are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Token,
    Session,
    Subject,
    Client,
    /// All tokens of the issuer.
    Issuer,
}

impl Name {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}

impl<'n> NameRef<'n> {
    pub(super) fn token(issuer: &'n str, token_id: &'n str) -> Self {
        NameRef::new(Kind::Token, issuer, token_id)
    }

    pub(super) fn subject(issuer: &'n str, subject: &'n str) -> Self {
        NameRef::new(Kind::Subject, issuer, subject)
    }

    pub(super) fn client(issuer: &'n str, client_id: &'n str) -> Self {
        NameRef::new(Kind::Client, issuer, client_id)
    }

    /// The name that stands for all names of this kind and issuer.
    pub(super) fn all(kind: Kind, issuer: &'n str) -> Self {
        NameRef::new(kind, issuer, "")
    }

    pub(super) fn issuer(&self) -> &'n str {
        self.issuer
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    fn new(kind: Kind, issuer: &'n str, name: &'n str) -> Self {
        NameRef { kind, issuer, name: Text::new(name) }
    }
}

impl<'n> Text<&'n str> {
    fn new(name: &'n str) -> Self {
        if name.len() > MAX_NAME_BYTES { Text::Digest(sha256(name)) } else { Text::Whole(name) }
    }
}

impl From<NameRef<'_>> for Name {
    fn from(NameRef { kind, issuer, name }: NameRef<'_>) -> Self {
        let name = match name {
            Text::Whole(name) => Text::Whole(name.into()),
            Text::Digest(digest) => Text::Digest(digest),
        };
        Name { kind, issuer: issuer.into(), name }
    }
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        let is_same = match (self.name, &name.name) {
            (Text::Whole(own), Text::Whole(other)) => *own == **other,
            (Text::Digest(own), Text::Digest(other)) => own == *other,
            _ => false,
        };
        is_same && self.kind == name.kind && *self.issuer == *name.issuer
    }
}
