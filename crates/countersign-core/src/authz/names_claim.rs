//! A claim that holds names, and the way to read them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pointer::{mismatch, normalized, type_of, value_at};
use crate::error::VerifyError;
use crate::token::Payload;

/// A claim that holds roles, permissions or groups, and the way to read them.
///
/// Most issuers write a list of strings, and some write a single string for a list of one: both are read if nothing else is
/// stated. The methods state other forms. A claim of another form refuses the token.
///
/// ```
/// use countersign_core::authz::{Authorities, NamesClaim};
///
/// let authorities = Authorities::new()
///     .roles_at("/realm_access/roles") // ["admin", "clerk"], or "admin"
///     .roles_at(NamesClaim::new("https://shop.example/roles").separator(",")) // "admin, clerk"
///     .roles_at(NamesClaim::new("/project/roles").keys()) // {"admin": {…}, "clerk": {…}}
///     .groups_at(NamesClaim::new("/teams").member("name")); // [{"name": "admin"}, {"name": "clerk"}]
/// # let _ = authorities;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NamesClaim {
    pointer: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    OneOrMany,
    Keys,
    Member(String),
    Separated(String),
}

impl NamesClaim {
    /// A claim with a list of strings, or a single string, at `path`: a JSON pointer (RFC 6901) or, without a leading slash,
    /// the name of a top-level claim.
    pub fn new(path: impl Into<String>) -> Self {
        NamesClaim { pointer: normalized(path.into()), form: Form::OneOrMany }
    }

    /// The names are the keys of an object. A key counts if its value is `true`, or an object or list that is not empty; the
    /// token is refused if a value is a number or a string.
    pub fn keys(self) -> Self {
        NamesClaim { form: Form::Keys, ..self }
    }

    /// The names are the strings at `name` of each object of a list.
    pub fn member(self, name: impl Into<String>) -> Self {
        NamesClaim { form: Form::Member(name.into()), ..self }
    }

    /// The names are the parts of a string, or of each string of a list, with `text` between them. Spaces around a name are
    /// removed.
    pub fn separator(self, text: impl Into<String>) -> Self {
        NamesClaim { form: Form::Separated(text.into()), ..self }
    }

    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The fault of the form.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match &self.form {
            Form::Member(text) | Form::Separated(text) if text.is_empty() => {
                Some("a member or separator is empty; name it, such as \"name\" or \",\"")
            }
            _ => None,
        }
    }

    /// The claim and its form as text, for fingerprints.
    pub(super) fn describe(&self) -> String {
        let length = self.pointer.len();
        match &self.form {
            Form::OneOrMany => self.pointer.clone(),
            Form::Keys => format!("{length}:{} keys", self.pointer),
            Form::Member(name) => format!("{length}:{} member {name}", self.pointer),
            Form::Separated(text) => format!("{length}:{} separator {text}", self.pointer),
        }
    }

    /// The names in the claims. An empty string is no name.
    pub(super) fn read(&self, payload: &Payload, claim_names: &[Box<str>]) -> Result<Vec<String>, VerifyError> {
        let mut names = self.read_all(payload, claim_names)?;
        names.retain(|name| !name.is_empty());
        Ok(names)
    }

    fn read_all(&self, payload: &Payload, claim_names: &[Box<str>]) -> Result<Vec<String>, VerifyError> {
        let pointer = &*self.pointer;
        let wrong = |expected: &str, found: &Value| Err(mismatch(pointer, expected, type_of(found)));
        let Some(value) = value_at(payload, claim_names, pointer)? else { return Ok(Vec::new()) };
        match (&self.form, value) {
            (Form::Keys, Value::Object(members)) => {
                let granted = |(name, value)| match is_granted(&value) {
                    Some(is_granted) => Ok(is_granted.then_some(name)),
                    None => Err(mismatch(pointer, "true, an object or a list for each name", type_of(&value))),
                };
                members.into_iter().filter_map(|member| granted(member).transpose()).collect()
            }
            (Form::Keys, other) => wrong("an object whose keys are names", &other),
            (Form::Member(name), Value::Array(items)) => {
                items.into_iter().map(|item| member_of(pointer, name, item)).collect()
            }
            (Form::Member(name), item @ Value::Object(_)) => Ok(vec![member_of(pointer, name, item)?]),
            (Form::Member(_), other) => wrong("a list of objects", &other),
            (Form::Separated(separator), Value::String(text)) => Ok(separated(&text, separator).collect()),
            (Form::Separated(separator), Value::Array(items)) => {
                let texts = strings(pointer, items)?;
                Ok(texts.iter().flat_map(|text| separated(text, separator)).collect())
            }
            (Form::OneOrMany, Value::Array(items)) => strings(pointer, items),
            (Form::OneOrMany, Value::String(one)) => Ok(vec![one]),
            (Form::Separated(_), other) => wrong("a string", &other),
            (Form::OneOrMany, other) => wrong("a list of strings", &other),
        }
    }
}

/// Returns whether a key with this value is granted; `None` if the value does not tell.
fn is_granted(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(is_granted) => Some(*is_granted),
        Value::Object(members) => Some(!members.is_empty()),
        Value::Array(items) => Some(!items.is_empty()),
        Value::Number(_) | Value::String(_) => None,
    }
}

/// The strings of a list that has nothing else.
fn strings(pointer: &str, items: Vec<Value>) -> Result<Vec<String>, VerifyError> {
    let text = |item| match item {
        Value::String(text) => Ok(text),
        other => Err(mismatch(pointer, "a list of strings only", &format!("{} in it", type_of(&other)))),
    };
    items.into_iter().map(text).collect()
}

fn separated<'t>(text: &'t str, separator: &'t str) -> impl Iterator<Item = String> + 't {
    text.split(separator).map(|name| name.trim().to_owned())
}

fn member_of(pointer: &str, name: &str, item: Value) -> Result<String, VerifyError> {
    let found = match item {
        Value::Object(mut members) => match members.remove(name) {
            Some(Value::String(text)) => return Ok(text),
            Some(other) => format!("an object with {} for it", type_of(&other)),
            None => "an object without it".to_owned(),
        },
        other => type_of(&other).to_owned(),
    };
    Err(mismatch(pointer, &format!("objects with a string {name}"), &found))
}

impl From<&str> for NamesClaim {
    fn from(path: &str) -> Self {
        NamesClaim::new(path)
    }
}

impl From<String> for NamesClaim {
    fn from(path: String) -> Self {
        NamesClaim::new(path)
    }
}

impl From<&NamesClaim> for NamesClaim {
    fn from(claim: &NamesClaim) -> Self {
        claim.clone()
    }
}

/// The form in policy files: a path, or a table with the path and one statement.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    path: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keys: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    separator: Option<String>,
}

impl Serialize for NamesClaim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = Table { path: self.pointer.clone(), keys: false, member: None, separator: None };
        match &self.form {
            Form::OneOrMany => return serializer.serialize_str(&self.pointer),
            Form::Keys => table.keys = true,
            Form::Member(name) => table.member = Some(name.clone()),
            Form::Separated(text) => table.separator = Some(text.clone()),
        }
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NamesClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PathOrTable)
    }
}

struct PathOrTable;

impl<'de> Visitor<'de> for PathOrTable {
    type Value = NamesClaim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or a table with path and one of keys, member and separator")
    }

    fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<NamesClaim, E> {
        Ok(NamesClaim::new(path))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NamesClaim, A::Error> {
        let Table { path, keys, member, separator } = Table::deserialize(MapAccessDeserializer::new(map))?;
        let claim = NamesClaim::new(path);
        Ok(match (keys, member, separator) {
            (false, None, None) => claim,
            (true, None, None) => claim.keys(),
            (false, Some(name), None) => claim.member(name),
            (false, None, Some(text)) => claim.separator(text),
            _ => return Err(serde::de::Error::custom("only one of keys, member and separator may be set")),
        })
    }
}
