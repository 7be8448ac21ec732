//! The steps that change a stream.

use redis::Value;

use super::entry::{is_epoch, text};
use super::keys::Keys;
use crate::link::{Failure, Link, ServerScript};

/// The time for which an epoch that has not begun is kept.
const KEEP_UNUSED_SECONDS: &str = "600";

/// The time for which readers may still read the epoch before.
const KEEP_OLD_SECONDS: &str = "60";

const APPEND_TEXT: &str = concat!(include_str!("primary.lua"), include_str!("append.lua"));
const FILL_TEXT: &str = include_str!("fill.lua");
const SWITCH_TEXT: &str = concat!(include_str!("primary.lua"), include_str!("switch.lua"));

static APPEND: ServerScript = ServerScript::new(APPEND_TEXT);
static FILL: ServerScript = ServerScript::new(FILL_TEXT);
static SWITCH: ServerScript = ServerScript::new(SWITCH_TEXT);

/// The state of a stream as a step found or left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Empty if there is none.
    pub(super) epoch: String,
    /// The name of the durable list of which the stream has the revocations.
    pub(super) log: String,
    /// The number up to which it has them.
    pub(super) sequence: u64,
    /// The server's time, in milliseconds since 1970.
    pub(super) now: u64,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done(State),
    /// The server has lost entries, or may have, or has many that are over: a new epoch has to be filled.
    Lost(State),
    /// Another epoch, or another number of the list, is the present one.
    Moved(State),
    Full,
    /// The revocations were read too long ago to say that they are all.
    Late,
}

impl Outcome {
    fn of(value: &Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [Value::Int(outcome), epoch, log, sequence, now] = &parts[..] else { return None };
        let epoch = text(epoch).filter(|epoch| epoch.is_empty() || is_epoch(epoch))?.to_owned();
        let (log, sequence) = (text(log)?.to_owned(), text(sequence)?.parse().unwrap_or_default());
        let state = State { epoch, log, sequence, now: text(now)?.parse().ok()? };
        Some(match outcome {
            0 => Outcome::Done(state),
            1 => Outcome::Lost(state),
            2 => Outcome::Moved(state),
            3 => Outcome::Full,
            4 => Outcome::Late,
            _ => return None,
        })
    }
}

/// Revocations to be added to an epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Addition<'a> {
    pub(super) epoch: &'a str,
    /// The durable list that has them, with the numbers before and after them; `None` if none has.
    pub(super) list: Option<(&'a str, u64, u64)>,
    /// The server's time before they were read.
    pub(super) read_at: u64,
    /// Nothing followed in the list.
    pub(super) is_last: bool,
    pub(super) max_entries: u64,
    /// Their [forms](super::record).
    pub(super) notices: &'a [Vec<u8>],
}

/// The size of an epoch that is filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EpochSize {
    /// Of the stream.
    pub(super) entries: u64,
    /// Of the base.
    pub(super) fields: u64,
    /// The revocations in the base.
    pub(super) filled: u64,
    /// All revocations.
    pub(super) revocations: u64,
}

/// The bytes of revocations in one entry, at most: they share what an entry costs.
pub(super) const BLOB_BYTES: usize = 4 * 1024;

/// Entries with these revocations.
pub(super) fn blobs(notices: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut blobs: Vec<Vec<u8>> = Vec::new();
    for notice in notices {
        match blobs.last_mut() {
            Some(blob) if blob.len() + notice.len() <= BLOB_BYTES => blob.extend_from_slice(notice),
            _ => blobs.push(notice.clone()),
        }
    }
    blobs
}

/// Adds revocations.
pub(super) async fn append(link: &Link, keys: &Keys, addition: &Addition<'_>) -> Result<Outcome, Failure> {
    let (log, before, after) = addition.list.unwrap_or_default();
    let count = u64::try_from(addition.notices.len()).unwrap_or(u64::MAX);
    let numbers = [before, after, addition.read_at, addition.max_entries, count].map(|number| number.to_string());
    let [before, after, read_at, max_entries, count] = numbers.each_ref().map(String::as_bytes);
    let is_last: &[u8] = if addition.is_last { b"1" } else { b"0" };
    let (epoch, log) = (addition.epoch.as_bytes(), log.as_bytes());
    let mut arguments = vec![epoch, log, before, after, read_at, is_last, max_entries, count];
    let blobs = blobs(addition.notices);
    arguments.extend(blobs.iter().map(Vec::as_slice));
    // Without an epoch, the keys of the entries are not used.
    let keys = [keys.state(), keys.beats(), keys.entries(addition.epoch), keys.base(addition.epoch)];
    outcome(&APPEND.run(link, &keys, &arguments).await?)
}

/// Adds fields and entries to an epoch that has not begun.
pub(super) async fn fill(
    link: &Link,
    keys: &Keys,
    epoch: &str,
    fields: &[(Vec<u8>, Vec<u8>)],
    entries: &[Vec<u8>],
) -> Result<(), Failure> {
    let count = fields.len().to_string();
    let mut arguments = vec![KEEP_UNUSED_SECONDS.as_bytes(), count.as_bytes()];
    arguments.extend(fields.iter().flat_map(|(field, value)| [field.as_slice(), value.as_slice()]));
    arguments.extend(entries.iter().map(Vec::as_slice));
    FILL.run(link, &[keys.entries(epoch), keys.base(epoch)], &arguments).await.map(drop)
}

/// Begins an epoch of this size, which has the list up to this number, in place of `old` of which so many entries were read.
pub(super) async fn switch(
    link: &Link,
    keys: &Keys,
    (old, old_entries): (&str, u64),
    (new, size): (&str, EpochSize),
    (log, sequence): (&str, u64),
) -> Result<Outcome, Failure> {
    let of_old = if old.is_empty() { [keys.state(), keys.state()] } else { [keys.entries(old), keys.base(old)] };
    let [old_stream, old_base] = of_old;
    let keys = [keys.state(), keys.beats(), keys.entries(new), keys.base(new), old_stream, old_base];
    let EpochSize { entries, fields, filled, revocations } = size;
    let [old_entries, sequence, entries, fields, filled, revocations] =
        [old_entries, sequence, entries, fields, filled, revocations].map(|number| number.to_string());
    let arguments =
        [old, &old_entries, new, log, &sequence, &entries, &fields, &filled, &revocations, KEEP_OLD_SECONDS];
    outcome(&SWITCH.run(link, &keys, &arguments).await?)
}

fn outcome(answer: &Value) -> Result<Outcome, Failure> {
    Outcome::of(answer).ok_or(Failure::NOT_OF_SCRIPT)
}
