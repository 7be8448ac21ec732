//! The party that a token speaks for.

/// The party that a token speaks for: a client, a subject, or a subject through an actor.
///
/// These are apart even if their names are equal (RFC 9068 §5): a user named `billing` is not the client `billing`.
///
/// ```
/// use countersign_core::claims::Principal;
/// use countersign_core::verify::Verified;
///
/// fn may_settle(token: &Verified) -> bool {
///     matches!(token.principal(), Principal::Client(id) if id == "billing")
/// }
/// # let _ = may_settle;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal<'t> {
    /// A client in its own name: it got the token for itself, as the issuer marks it, and nobody acts for it.
    Client(&'t str),
    /// A subject, such as a person.
    Subject(&'t str),
    /// A subject for whom an actor calls (`act`).
    Delegated {
        /// The subject.
        subject: &'t str,
        /// The subject of the outermost actor.
        actor: &'t str,
        /// The issuer of the actor: the one that the token names (`act.iss`), or that of the token.
        actor_issuer: &'t str,
    },
    /// Nobody is named: the token has no `sub`.
    Unknown,
}

impl<'t> Principal<'t> {
    /// `subject` and `client` are empty if the token does not name them; `actor` is with its issuer. `is_own` tells whether the
    /// client got the token for itself.
    pub(crate) fn new(subject: &'t str, client: &'t str, actor: Option<(&'t str, &'t str)>, is_own: bool) -> Self {
        match actor {
            Some((actor, actor_issuer)) => Principal::Delegated { subject, actor, actor_issuer },
            None if subject.is_empty() => Principal::Unknown,
            None if is_own => Principal::Client(client),
            None => Principal::Subject(subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_21_s15_06_who_has_an_actor_never_speaks_for_itself() {
        assert_eq!(Principal::new("billing", "billing", None, true), Principal::Client("billing"));
        assert_eq!(Principal::new("9f3a", "billing", None, true), Principal::Client("billing"));
        assert_eq!(Principal::new("ann", "billing", None, false), Principal::Subject("ann"));
        let delegated = Principal::Delegated { subject: "billing", actor: "billing", actor_issuer: "https://a.test" };
        assert_eq!(Principal::new("billing", "billing", Some(("billing", "https://a.test")), true), delegated);
        assert_eq!(Principal::new("", "", None, false), Principal::Unknown);
        assert_eq!(Principal::new("", "billing", None, false), Principal::Unknown);
    }
}
