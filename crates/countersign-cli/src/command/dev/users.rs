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

/// The users without flags.
const DEFAULT_USERS: [&str; 2] = ["ann:clerk@acme", "bob"];

/// Their scopes.
const DEFAULT_SCOPES: [&str; 2] = ["ann=orders:read orders:write", "bob=orders:read"];

pub(super) fn from_file(path: &Path) -> Result<Vec<User>, Failure> {
    let fault = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let file: File =
        toml::from_str(&input::file(&path.to_string_lossy())?).map_err(|error| fault(error.to_string()))?;
    file.user.iter().try_for_each(check)?;
    Ok(file.user)
}

/// The users of `flags`, and the clients that only `scopes` names. Those by default may do what the guide for beginners asks
/// for.
pub(super) fn from_flags(flags: &[String], scopes: &[String]) -> Result<(Vec<User>, Vec<User>), Failure> {
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (flags, scopes) = match (flags, scopes) {
        ([], []) => (text(&DEFAULT_USERS), text(&DEFAULT_SCOPES)),
        ([], scopes) => (text(&DEFAULT_USERS), scopes.to_vec()),
        (flags, scopes) => (flags.to_vec(), scopes.to_vec()),
    };
    let mut users = flags.iter().map(|flag| User::parse(flag)).collect::<Result<Vec<User>, Failure>>()?;
    let mut clients: Vec<User> = Vec::new();
    for scope in &scopes {
        let (name, scope) = scope.split_once('=').unwrap_or((scope, ""));
        if scope.trim().is_empty() {
            return Err(Failure::usage(format!("--scope {}: write NAME=SCOPE", output::safe(name))));
        }
        let scopes = scope.split_ascii_whitespace().map(str::to_owned);
        if let Some(known) = users.iter_mut().chain(&mut clients).find(|known| known.name == name) {
            known.scopes.extend(scopes);
            continue;
        }
        let client = User { name: name.to_owned(), scopes: scopes.collect(), ..User::default() };
        check(&client)?;
        output::warn(&format!("--scope: no --user has the name {name}, so these are the scopes of a client"));
        clients.push(client);
    }
    Ok((users, clients))
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
    fn scopes_belong_to_the_users_that_are_named() {
        let flags = |users: &[&str], scopes: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            from_flags(&owned(users), &owned(scopes))
        };
        let (users, clients) = flags(&["ann", "bob"], &["ann=a:x b=c", "svc=a", "ann=d", "svc=b"]).expect("users");
        assert_eq!((users[0].scopes.join(" ").as_str(), users[1].scopes.len()), ("a:x b=c d", 0));
        assert_eq!((clients.len(), clients[0].name.as_str(), clients[0].scopes.join(" ").as_str()), (1, "svc", "a b"));
        assert_eq!(flags(&[], &[]).expect("users").0[0].scopes.join(" "), "orders:read orders:write");
        assert!(flags(&["ann"], &[]).expect("users").0[0].scopes.is_empty());
        for bad in ["e/ve=a", "ann", "ann=", "=a"] {
            assert!(flags(&["ann"], &[bad]).is_err(), "{bad}");
        }
    }

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
