//! A requirement as data: written in full, read within bounds.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::claim::{CLAIMS_WHERE, claim};
use super::error::{RequirementError, RequirementErrorKind as Kind};
use super::granted::{group, permission, role, scope};
use super::identity::{actor, any_authenticated, client, issued_by, owner, subject};
use super::kind::token_kind;
use super::login::{acr, amr, authenticated_within};
use super::possession::proof_of_possession;
use super::rule::{Part, Requirement, Rule};
use super::tenant::{tenant_in_header, tenant_in_host, tenant_in_path};
use super::transaction::{in_transaction, transaction};
use crate::redact::{safe_text, short_text};
use crate::token::{CredentialKind, Unique, has_unique_names};

/// The longest text read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The deepest nesting read.
const MAX_DEPTH: usize = 32;

/// The most parts read, all levels together.
const MAX_PARTS: usize = 1024;

impl Requirement {
    /// Reads the [data form](Self#data-form) from JSON.
    ///
    /// # Errors
    /// [`RequirementError`], whose kind tells what is wrong. `Deserialize` applies the same rules.
    pub fn from_json(json: &str) -> Result<Self, RequirementError> {
        if json.len() > MAX_BYTES {
            return Err(RequirementError::new(Kind::TooLarge, format!("longer than {MAX_BYTES} bytes")));
        }
        let bounds = Bounds::default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = Reader { bounds: &bounds, depth: 0 }.deserialize(&mut deserializer);
        let read = read.and_then(|requirement| deserializer.end().map(|()| requirement));
        if read.is_ok() && !has_unique_names(json) {
            return Err(RequirementError::new(Kind::Malformed, "a name occurs twice in one object".to_owned()));
        }
        read.map_err(|error| {
            RequirementError::new(bounds.refusal.get().unwrap_or(Kind::Malformed), short_text(&error.to_string()))
        })
    }

    /// Writes the [data form](Self#data-form) as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // names are strings and no value can fail
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        match self.part() {
            Part::Condition(condition) => object.serialize_entry(condition.kind(), &condition.argument())?,
            Part::Combined(Rule::All(parts)) => object.serialize_entry("all_of", parts)?,
            Part::Combined(Rule::Any(parts)) => object.serialize_entry("any_of", parts)?,
            Part::Combined(Rule::AtLeast(count, of)) => {
                object.serialize_entry("at_least", &AtLeast { count: *count, of })?;
            }
            Part::Combined(Rule::Not(inner)) => object.serialize_entry("not", inner)?,
            Part::Combined(Rule::Hidden(inner)) => object.serialize_entry("hidden", inner)?,
            Part::Combined(Rule::InTransaction(inner)) => object.serialize_entry("in_transaction", inner)?,
            Part::Combined(Rule::Shadow(inner, _)) => object.serialize_entry("shadowed", inner)?,
        }
        object.end()
    }
}

#[derive(Serialize)]
struct AtLeast<'r> {
    count: usize,
    of: &'r [Requirement],
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader { bounds: &Bounds::default(), depth: 0 }.deserialize(deserializer)
    }
}

/// The state of reading, and the error that stopped it.
#[derive(Default)]
struct Bounds {
    parts: Cell<usize>,
    refusal: Cell<Option<Kind>>,
}

impl Bounds {
    fn refuse<E: Error>(&self, kind: Kind, detail: impl fmt::Display) -> E {
        self.refusal.set(Some(kind));
        E::custom(detail)
    }
}

/// Reads one requirement at this depth.
#[derive(Clone, Copy)]
struct Reader<'b> {
    bounds: &'b Bounds,
    depth: usize,
}

impl Reader<'_> {
    fn inner(self) -> Self {
        Reader { depth: self.depth + 1, ..self }
    }

    fn combined<E: Error>(self, rule: Rule) -> Result<Requirement, E> {
        match rule.fault() {
            None => Ok(Requirement::from_rule(rule)),
            Some(fault) => Err(self.bounds.refuse(Kind::Faulty, format!("{}: {}", fault.field, fault.problem))),
        }
    }

    /// The requirement of this kind; its argument comes next. The one table of what can be read.
    fn argument<'de, A: MapAccess<'de>>(self, kind: &str, map: &mut A) -> Result<Requirement, A::Error> {
        Ok(match kind {
            "any_authenticated" => map.next_value::<Nothing>().map(|Nothing {}| any_authenticated())?,
            "proof_of_possession" => map.next_value::<Nothing>().map(|Nothing {}| proof_of_possession())?,
            "transaction" => map.next_value::<Nothing>().map(|Nothing {}| transaction())?,
            "token_kind" => {
                let name = map.next_value::<String>()?;
                let kind = CredentialKind::from_name(&name);
                let unknown =
                    || self.bounds.refuse(Kind::Faulty, "token_kind: no such kind; use signed, opaque or api_key");
                token_kind(kind.ok_or_else(unknown)?)
            }
            "scope" => scope(map.next_value::<String>()?),
            "role" => role(map.next_value::<String>()?),
            "permission" => permission(map.next_value::<String>()?),
            "group" => group(map.next_value::<String>()?),
            "subject" => subject(map.next_value::<String>()?),
            "owner" => map.next_value::<Owner>().map(|named| owner(named.issuer, named.subject))?,
            "client" => client(map.next_value::<String>()?),
            "issued_by" => issued_by(map.next_value::<String>()?),
            "actor" => actor(map.next_value::<String>()?),
            "claim" => map.next_value::<Claim>().map(|named| claim(named.path, named.value.0))?,
            "tenant_in_path" => tenant_in_path(map.next_value::<String>()?),
            "tenant_in_header" => tenant_in_header(map.next_value::<String>()?),
            "tenant_in_host" => tenant_in_host(map.next_value::<String>()?),
            "authenticated_within" => authenticated_within(map.next_value::<Age>()?.into()),
            "acr" => acr(map.next_value::<Vec<String>>()?),
            "amr" => amr(map.next_value::<String>()?),
            "all_of" => self.combined(Rule::All(map.next_value_seed(Parts(self))?))?,
            "any_of" => self.combined(Rule::Any(map.next_value_seed(Parts(self))?))?,
            "at_least" => {
                let (count, parts) = map.next_value_seed(Counted(self))?;
                self.combined(Rule::AtLeast(count, parts))?
            }
            "not" => map.next_value_seed(self.inner())?.not(),
            "hidden" => map.next_value_seed(self.inner())?.hidden(),
            "in_transaction" => in_transaction(map.next_value_seed(self.inner())?),
            "shadowed" => map.next_value_seed(self.inner())?.shadowed(),
            CLAIMS_WHERE => {
                let description = map.next_value::<String>()?;
                let detail =
                    format!("\"{}\" is the app's own rule, which only its code can evaluate", safe_text(&description));
                return Err(self.bounds.refuse(Kind::OnlyCode, detail));
            }
            unknown => {
                let detail = format!("no kind of requirement is named \"{}\"", safe_text(unknown));
                return Err(self.bounds.refuse(Kind::UnknownKind, detail));
            }
        })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Requirement;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Requirement, D::Error> {
        let parts = self.bounds.parts.get() + 1;
        self.bounds.parts.set(parts);
        if self.depth >= MAX_DEPTH {
            return Err(self.bounds.refuse(Kind::TooDeep, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if parts > MAX_PARTS {
            return Err(self.bounds.refuse(Kind::TooLarge, format!("more than {MAX_PARTS} parts")));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Requirement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a requirement: an object with one member, such as {\"scope\":\"orders:read\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Requirement, A::Error> {
        let kind = map.next_key::<String>()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let requirement = self.argument(&kind, &mut map)?;
        match map.next_key::<String>()? {
            None => Ok(requirement),
            Some(_) => Err(A::Error::invalid_length(2, &self)),
        }
    }
}

/// Reads a list of requirements, each one level below.
struct Parts<'b>(Reader<'b>);

impl<'de> DeserializeSeed<'de> for Parts<'_> {
    type Value = Vec<Requirement>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Requirement>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Parts<'_> {
    type Value = Vec<Requirement>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of requirements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Requirement>, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element_seed(self.0.inner())? {
            parts.push(part);
        }
        Ok(parts)
    }
}

/// Reads `{"count":…,"of":[…]}`.
struct Counted<'b>(Reader<'b>);

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = (usize, Vec<Requirement>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = (usize, Vec<Requirement>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the members count and of")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut count, mut parts) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "count" if count.is_none() => count = Some(map.next_value()?),
                "of" if parts.is_none() => parts = Some(map.next_value_seed(Parts(self.0))?),
                "count" => return Err(A::Error::duplicate_field("count")),
                "of" => return Err(A::Error::duplicate_field("of")),
                unknown => return Err(A::Error::unknown_field(&safe_text(unknown), &["count", "of"])),
            }
        }
        let count = count.ok_or_else(|| A::Error::missing_field("count"))?;
        Ok((count, parts.ok_or_else(|| A::Error::missing_field("of"))?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    issuer: String,
    subject: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    path: String,
    value: Unique,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Age {
    seconds: u64,
    #[serde(default)]
    nanoseconds: Nanoseconds,
}

/// Below one second, so that no sum overflows.
#[derive(Default, Deserialize)]
#[serde(try_from = "u32")]
struct Nanoseconds(u32);

impl TryFrom<u32> for Nanoseconds {
    type Error = &'static str;

    fn try_from(count: u32) -> Result<Self, &'static str> {
        if count < 1_000_000_000 { Ok(Nanoseconds(count)) } else { Err("nanoseconds are a second or more") }
    }
}

impl From<Age> for Duration {
    fn from(age: Age) -> Self {
        Duration::new(age.seconds, age.nanoseconds.0)
    }
}

#[cfg(test)]
mod tests;
