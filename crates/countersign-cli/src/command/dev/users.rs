//! The users of the development provider.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::exit::Failure;
use crate::{input, output};

/// A user, or a service that calls for itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::command) struct User {
    pub(in crate::command) name: String,
    #[serde(default)]
    pub(in crate::command) roles: Vec<String>,
    #[serde(default)]
    pub(in crate::command) permissions: Vec<String>,
    #[serde(default)]
    pub(in crate::command) scopes: Vec<String>,
    pub(in crate::command) tenant: Option<String>,
    /// Any other claims.
    #[serde(default)]
    pub(in crate::command) claims: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    user: Vec<User>,
}

pub(super) fn from_file(path: &Path) -> Result<Vec<User>, Failure> {
    let fault = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let file: File =
        toml::from_str(&input::file(&path.to_string_lossy())?).map_err(|error| fault(error.to_string()))?;
    file.user.iter().try_for_each(check)?;
    Ok(file.user)
}

pub(super) fn from_flags(flags: &[String]) -> Result<Vec<User>, Failure> {
    if flags.is_empty() {
        return ["ann:clerk@acme", "bob"].into_iter().map(User::parse).collect();
    }
    flags.iter().map(|flag| User::parse(flag)).collect()
}

impl User {
    /// Reads `NAME:ROLE,ROLE@TENANT`.
    pub(in crate::command) fn parse(text: &str) -> Result<Self, Failure> {
        let (rest, tenant) = match text.rsplit_once('@') {
            Some((rest, tenant)) => (rest, Some(tenant.to_owned())),
            None => (text, None),
        };
        let (name, roles) = rest.split_once(':').unwrap_or((rest, ""));
        let roles = roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
        let user = User { name: name.to_owned(), roles, tenant, ..User::default() };
        check(&user)?;
        Ok(user)
    }
}

/// A name is part of a URL.
fn check(user: &User) -> Result<(), Failure> {
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !user.name.is_empty() && user.name.chars().all(is_fit) && user.tenant.as_deref() != Some("") {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "user {}: write NAME:ROLE,ROLE@TENANT, with a name of letters, digits, - _ and .",
        output::safe(&user.name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_a_flag() {
        let ann = User::parse("ann:clerk,admin@acme").expect("a user");
        assert_eq!((ann.name.as_str(), ann.roles.len(), ann.tenant.as_deref()), ("ann", 2, Some("acme")));
        let bob = User::parse("bob").expect("a user");
        assert!(bob.roles.is_empty() && bob.tenant.is_none());
        for bad in ["", ":clerk", "a b", "a/b", "ann@"] {
            assert!(User::parse(bad).is_err(), "{bad}");
        }
    }
}
