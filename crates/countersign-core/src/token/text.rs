//! Claim strings as byte ranges into the decoded JSON; copied only if they contain escapes.

use std::num::NonZeroU64;

use smallvec::SmallVec;

/// A byte range of the JSON, or, for a string with escapes, of the unescaped strings that follow it.
//
// One machine word: it fits into a register, and an absent one takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text(NonZeroU64);

impl Text {
    /// The range of `length` bytes from `start`. No value ends before the first byte, so zero is never a range.
    #[inline]
    pub(super) fn new(start: usize, length: usize) -> Self {
        let (start, end) = (start as u64, (start + length) as u64);
        debug_assert!(end >> 32 == 0, "tokens are far shorter");
        Text(NonZeroU64::new(start << 32 | end).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    fn start(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    #[inline]
    fn end(self) -> usize {
        usize::try_from(self.0.get() & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }

    /// The length in bytes.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.end() - self.start()
    }

    /// The string, if it is a range of the JSON.
    #[inline]
    pub(super) fn within(self, json: &str) -> Option<&str> {
        json.get(self.start()..self.end())
    }

    /// As [`of`](Self::of), as bytes.
    #[inline]
    pub(super) fn bytes_of<'s>(self, json: &'s str, unescaped: &'s str) -> &'s [u8] {
        let (text, before) = if self.start() < json.len() { (json, 0) } else { (unescaped, json.len()) };
        text.as_bytes().get(self.start() - before..self.end() - before).unwrap_or_default()
    }

    /// The string, given its JSON and the unescaped strings of that JSON.
    #[inline]
    pub(super) fn of<'s>(self, json: &'s str, unescaped: &'s str) -> &'s str {
        let (text, before) = if self.start() < json.len() { (json, 0) } else { (unescaped, json.len()) };
        text.get(self.start() - before..self.end() - before).unwrap_or_default()
    }
}

/// A claim that is a string or a list by definition or by the convention of some issuers (`aud`, `scope`, `scp`, `amr`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListClaim {
    #[default]
    Absent,
    One(Text),
    Many(SmallVec<[Text; 2]>),
    /// Another JSON type, or a list that contains one.
    Wrong,
}

impl ListClaim {
    /// The strings, one or many.
    pub(crate) fn items(&self) -> &[Text] {
        match self {
            ListClaim::Absent | ListClaim::Wrong => &[],
            ListClaim::One(text) => std::slice::from_ref(text),
            ListClaim::Many(texts) => texts,
        }
    }
}
