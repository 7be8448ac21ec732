//! Strings of the claims, kept as places instead of copies where they can stay where they stand.

use std::num::NonZeroU64;

use smallvec::SmallVec;

/// A part of the JSON: where it stands, or, for a string written with escapes, in what follows the JSON.
//
// In one word, so that it is passed in a register and an absent one takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text(NonZeroU64);

impl Text {
    /// `length` bytes from `start` on. Nothing of an object ends before its first byte, so that zero is free.
    #[inline]
    pub(super) fn at(start: usize, length: usize) -> Self {
        let (start, end) = (start as u64, (start + length) as u64);
        debug_assert!(end >> 32 == 0, "a token is bounded far below");
        Text(NonZeroU64::new(start << 32 | end).unwrap_or(NonZeroU64::MIN))
    }

    fn start(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    fn end(self) -> usize {
        usize::try_from(self.0.get() & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }

    /// The length in bytes.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.end() - self.start()
    }

    /// The string, given the JSON that it came from and the strings that stood there with escapes.
    #[inline]
    pub(super) fn of<'s>(self, json: &'s str, unescaped: &'s str) -> &'s str {
        let (text, before) = if self.start() < json.len() { (json, 0) } else { (unescaped, json.len()) };
        text.get(self.start() - before..self.end() - before).unwrap_or_default()
    }
}

/// A claim that is a string or a list by its definition or some issuers' habit (`aud`, `scope`, `scp`, `amr`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListClaim {
    #[default]
    Absent,
    One(Text),
    Many(SmallVec<[Text; 2]>),
    /// Another JSON type, or a list that holds one.
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
