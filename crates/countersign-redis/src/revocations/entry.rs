//! Entries of streams as the server answers them. Nothing in them is trusted.

use std::str::FromStr;

use redis::Value;

use super::record::{self, Record};

/// The field of an entry that has revocations.
pub(super) const NOTICE: &str = "n";

/// The longest name of an epoch.
const MAX_EPOCH_BYTES: usize = 64;

/// The id of an entry. Later entries have higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryId(u64, u64);

impl FromStr for EntryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, number) = text.split_once('-').ok_or(())?;
        Ok(EntryId(time.parse().map_err(drop)?, number.parse().map_err(drop)?))
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// An entry with its fields and their values in turn.
#[derive(Debug)]
pub(crate) struct Entry<'v> {
    pub(crate) id: EntryId,
    fields: &'v [Value],
}

impl<'v> Entry<'v> {
    fn value(&self, name: &str) -> Option<&'v Value> {
        let pairs = self.fields.chunks_exact(2);
        pairs.filter(|pair| text(&pair[0]) == Some(name)).map(|pair| &pair[1]).next()
    }

    fn field(&self, name: &str) -> Option<&'v str> {
        text(self.value(name)?)
    }

    /// The [forms](super::record) of its revocations.
    pub(super) fn blob(&self) -> Option<&'v [u8]> {
        blob(self.value(NOTICE)?)
    }

    /// The revocations of this issuer that the entry has; `None` if it has anything else.
    pub(super) fn records(&self, issuer: &str) -> Option<Vec<Record>> {
        record::read(self.blob()?, issuer)
    }
}

/// A publisher's statement about an epoch: all that was stored when it was made has this form in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) id: EntryId,
    pub(super) epoch: String,
    pub(super) number: u64,
    /// The number of entries of the epoch.
    pub(super) entries: u64,
    /// The last of them.
    pub(super) last: EntryId,
}

impl Beat {
    pub(super) fn of(entry: &Entry<'_>) -> Option<Self> {
        let number = |name| entry.field(name)?.parse().ok();
        let epoch = entry.field("epoch").filter(|epoch| is_epoch(epoch))?;
        let last = entry.field("last")?.parse().ok()?;
        Some(Beat {
            id: entry.id,
            epoch: epoch.to_owned(),
            number: number("number")?,
            entries: number("entries")?,
            last,
        })
    }
}

/// Returns whether this may be the name of an epoch, which becomes part of a key.
pub(super) fn is_epoch(text: &str) -> bool {
    (1..=MAX_EPOCH_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The entries in the answer to `XRANGE` and `XREVRANGE`; `None` if it is no such answer.
pub(super) fn entries(answer: &Value) -> Option<Vec<Entry<'_>>> {
    let Value::Array(entries) = answer else { return matches!(answer, Value::Nil).then(Vec::new) };
    entries.iter().map(entry).collect()
}

/// The entries of a key in the answer to `XREAD`; `None` if it is no such answer.
pub(crate) fn entries_of<'v>(answer: &'v Value, key: &str) -> Option<Vec<Entry<'v>>> {
    let Value::Array(streams) = answer else { return matches!(answer, Value::Nil).then(Vec::new) };
    for stream in streams {
        let Value::Array(parts) = stream else { return None };
        let [name, list] = &parts[..] else { return None };
        if text(name) == Some(key) {
            return entries(list);
        }
    }
    Some(Vec::new())
}

/// The bytes of a value, if it has some.
pub(super) fn blob(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// The text of a value, if it is one.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn entry(value: &Value) -> Option<Entry<'_>> {
    let Value::Array(parts) = value else { return None };
    let [id, Value::Array(fields)] = &parts[..] else { return None };
    Some(Entry { id: text(id)?.parse().ok()?, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn stored(id: &str, fields: &[&str]) -> Value {
        Value::Array(vec![bulk(id), Value::Array(fields.iter().map(|field| bulk(field)).collect())])
    }

    #[test]
    fn s14_12_an_entry_of_another_form_is_no_revocation() {
        const ISSUER: &str = "https://id.test";
        let good = "\u{1}\u{9}\u{1}a";
        for (fields, count) in [
            (vec!["n", good], Some(1)),
            (vec!["x", "y", "n", good], Some(1)),
            (vec!["n", ""], Some(0)),
            (vec!["n", "{}"], None),
            (vec!["n", "\u{1}\u{9}\u{1}"], None),
            (vec!["n"], None),
            (vec!["m", good], None),
            (vec![], None),
        ] {
            let answer = Value::Array(vec![stored("1-0", &fields)]);
            let entries = entries(&answer).expect("entries");
            assert_eq!(entries[0].records(ISSUER).map(|records| records.len()), count, "{fields:?}");
        }
    }

    #[test]
    fn s14_12_answers_of_another_form_are_none() {
        for answer in [Value::Int(1), bulk("x"), Value::Array(vec![Value::Int(1)])] {
            assert!(entries(&answer).is_none(), "{answer:?}");
            assert!(entries_of(&answer, "k").is_none(), "{answer:?}");
        }
        let without_id = Value::Array(vec![stored("x", &[])]);
        assert!(entries(&without_id).is_none());
        assert!(entries_of(&Value::Array(vec![Value::Array(vec![bulk("k"), without_id])]), "k").is_none());
        assert!(entries(&Value::Nil).is_some_and(|entries| entries.is_empty()));
        let of_keys = Value::Array(vec![Value::Array(vec![bulk("k"), Value::Array(vec![stored("5-1", &["a", "b"])])])]);
        assert_eq!(entries_of(&of_keys, "k").expect("entries")[0].id, EntryId(5, 1));
        assert!(entries_of(&of_keys, "other").expect("none").is_empty());
    }

    #[test]
    fn s14_12_a_beat_has_all_its_fields_and_an_epoch_that_can_be_a_key() {
        let fields = ["epoch", "e1", "number", "7", "entries", "3", "last", "5-1"];
        let beat = |fields: &[&str]| {
            let answer = Value::Array(vec![stored("9-0", fields)]);
            Beat::of(&entries(&answer).expect("entries")[0])
        };
        let good = beat(&fields).expect("a beat");
        assert_eq!((good.number, good.entries, good.last), (7, 3, EntryId(5, 1)));
        for (at, value) in [(1, "a}b"), (1, ""), (3, "-1"), (5, "x"), (7, "5"), (7, "5-x")] {
            let mut broken = fields;
            broken[at] = value;
            assert_eq!(beat(&broken), None, "{broken:?}");
        }
        assert_eq!(beat(&fields[..6]), None);
    }
}
