//! The authorities of a caller, as lists of names.

use countersign::authz::Grants;

/// The names of one kind.
pub(crate) struct AuthorityList<'g> {
    /// The kind, as requirements name it: `role`.
    pub(crate) kind: &'static str,
    /// The name of the list: `roles`.
    pub(crate) title: &'static str,
    pub(crate) names: Vec<&'g str>,
}

/// The scopes, roles, permissions and groups of the caller.
pub(crate) fn authority_lists(grants: &Grants) -> [AuthorityList<'_>; 4] {
    [
        ("scope", "scopes", &grants.scopes),
        ("role", "roles", &grants.roles),
        ("permission", "permissions", &grants.permissions),
        ("group", "groups", &grants.groups),
    ]
    .map(|(kind, title, names)| AuthorityList { kind, title, names: names.iter().collect() })
}
