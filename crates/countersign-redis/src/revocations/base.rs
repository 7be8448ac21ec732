//! The revocations with which an epoch begins: in parts, so that a follower reads only those that it lacks.
//!
//! Each revocation belongs to a part by its end and its digest. An index has the number and the sum of the digests of each
//! part. A follower knows the same of what it has applied: if both agree, it has the part already. So a server that was emptied
//! costs a follower that was there before no more than the index.
//!
//! Whoever chooses names that are revoked could find some whose digests have the sum of others (Wagner, A Generalized Birthday
//! Problem, 2002). The name of the durable list is random and goes into each digest, so they cannot compute them.

use std::collections::BTreeMap;

use countersign_core::integration::sha256_of;

use super::record::Record;

/// The field of the index. The fields of parts are longer.
pub(super) const INDEX: &[u8] = b"i";

/// The time that one part covers, in seconds: when it is over, no new epoch has it.
const SLICE_SECONDS: u64 = 1024;

/// The parts of a slice.
const PARTS: u8 = 16;

/// The longest piece of a part, in bytes: a value of its own in the server.
const PIECE_BYTES: usize = 64 * 1024;

/// The most parts of an index that is read.
const MAX_PARTS: usize = 1 << 20;

/// The bytes of a part in the index.
const INDEX_BYTES: usize = 27;

/// The slice and the number of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Part(u32, u8);

/// The number of revocations of a part, and the sum of their digests with the name of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    count: u32,
    digests: u128,
}

/// A part of an index, with the number of its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) part: Part,
    pub(super) pieces: u16,
    pub(super) sum: Sum,
}

impl Part {
    pub(super) fn of(record: &Record) -> Self {
        let slice = record.notice.expires_at().as_secs() / SLICE_SECONDS;
        let [.., last] = record.digest; // no byte of the sum
        Part(u32::try_from(slice).unwrap_or(u32::MAX), last % PARTS)
    }

    /// The field of a piece.
    pub(super) fn field(self, piece: u16) -> Vec<u8> {
        let Part(slice, number) = self;
        [&slice.to_be_bytes()[..], &[number], &piece.to_be_bytes()].concat()
    }
}

impl Sum {
    pub(super) fn count(self) -> u32 {
        self.count
    }

    pub(super) fn add(&mut self, record: &Record, list: &[u8]) {
        let mut first = [0; 16];
        first.copy_from_slice(&sha256_of(&[list, &record.digest].concat())[..16]);
        self.count = self.count.saturating_add(1);
        self.digests = self.digests.wrapping_add(u128::from_be_bytes(first));
    }
}

/// The revocations with which an epoch begins, before they are sent.
pub(super) struct Base {
    list: String,
    parts: BTreeMap<Part, (Sum, Vec<Vec<u8>>)>,
}

/// An index that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// The name of the durable list.
    pub(super) list: Vec<u8>,
    /// In order.
    pub(super) parts: Vec<Indexed>,
}

impl Base {
    /// An empty one for the revocations of this durable list.
    pub(super) fn of(list: &str) -> Self {
        Base { list: list.to_owned(), parts: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, record: &Record, form: &[u8]) {
        let (sum, pieces) = self.parts.entry(Part::of(record)).or_default();
        sum.add(record, self.list.as_bytes());
        match pieces.last_mut() {
            Some(piece) if piece.len() + form.len() <= PIECE_BYTES => piece.extend_from_slice(form),
            _ => pieces.push(form.to_vec()),
        }
    }

    /// All fields with their values; the index is the last.
    pub(super) fn into_fields(self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let mut index = Vec::with_capacity(self.list.len() + 2 + self.parts.len() * INDEX_BYTES);
        index.extend_from_slice(&u16::try_from(self.list.len()).unwrap_or(u16::MAX).to_be_bytes());
        index.extend_from_slice(self.list.as_bytes());
        for (Part(slice, number), (sum, pieces)) in &self.parts {
            index.extend_from_slice(&slice.to_be_bytes());
            index.push(*number);
            index.extend_from_slice(&u16::try_from(pieces.len()).unwrap_or(u16::MAX).to_be_bytes());
            index.extend_from_slice(&sum.count.to_be_bytes());
            index.extend_from_slice(&sum.digests.to_be_bytes());
        }
        let parts = self.parts.into_iter().flat_map(|(part, (_, pieces))| {
            (0..u16::MAX).zip(pieces).map(move |(number, piece)| (part.field(number), piece))
        });
        parts.chain(std::iter::once((INDEX.to_vec(), index)))
    }
}

/// Reads an index; `None` if it is none.
pub(super) fn read_index(mut bytes: &[u8]) -> Option<Index> {
    let length = u16::from_be_bytes(take(&mut bytes)?);
    let (list, bytes) = bytes.split_at_checked(usize::from(length))?;
    let (parts, rest) = bytes.as_chunks::<INDEX_BYTES>();
    if !rest.is_empty() || parts.len() > MAX_PARTS {
        return None;
    }
    let parts: Option<Vec<_>> = parts.iter().map(|part| read_part(part)).collect();
    // In order, so that no part occurs twice.
    let parts = parts.filter(|parts| parts.is_sorted_by(|one, other| one.part < other.part))?;
    Some(Index { list: list.to_vec(), parts })
}

fn read_part(mut bytes: &[u8]) -> Option<Indexed> {
    let slice = u32::from_be_bytes(take(&mut bytes)?);
    let [number] = take(&mut bytes)?;
    let pieces = u16::from_be_bytes(take(&mut bytes)?);
    let (count, digests) = (u32::from_be_bytes(take(&mut bytes)?), u128::from_be_bytes(take(&mut bytes)?));
    Some(Indexed { part: Part(slice, number), pieces, sum: Sum { count, digests } })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use countersign::clock::UnixTime;
    use countersign_core::revocation::RevocationNotice;

    use super::*;
    use crate::revocations::record::{read, write};

    const ISSUER: &str = "https://id.test";
    const LIST: &str = "0193a";

    fn record(number: usize) -> (Record, Vec<u8>) {
        let until = UnixTime::from_secs(1_800_000_000 + number as u64 % 3_000);
        let notice = RevocationNotice::token(ISSUER, &format!("token-{number}"), until).expect("a notice");
        let form = write(&notice);
        (read(&form, ISSUER).and_then(|mut records| records.pop()).expect("a record"), form)
    }

    fn base(records: impl IntoIterator<Item = usize>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut base = Base::of(LIST);
        records.into_iter().map(record).for_each(|(record, form)| base.add(&record, &form));
        base.into_fields().collect()
    }

    fn index(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<Indexed> {
        let (name, index) = fields.last().expect("the index");
        assert_eq!(name, INDEX);
        let index = read_index(index).expect("an index");
        assert_eq!(index.list, LIST.as_bytes());
        index.parts
    }

    #[test]
    fn s14_12_the_sums_of_two_lists_differ() {
        let sum = |list: &str| {
            let mut sum = Sum::default();
            sum.add(&record(1).0, list.as_bytes());
            sum
        };
        assert_eq!(sum(LIST), sum(LIST));
        assert_ne!(sum(LIST), sum("0193b"));
    }

    #[test]
    fn s14_12_an_index_tells_which_parts_differ() {
        let (all, less) = (base(0..20_000), base((0..20_000).filter(|number| *number != 77)));
        let (of_all, of_less) = (index(&all), index(&less));
        assert!((48..=64).contains(&of_all.len()), "three or four slices: {}", of_all.len());
        let part = Part::of(&record(77).0);
        let differing: Vec<_> = of_all.iter().zip(&of_less).filter(|(one, other)| one != other).collect();
        assert!(differing.len() == 1 && differing[0].0.part == part);
        assert_eq!(index(&base((0..20_000).rev())), of_all, "in whatever order they were added");
    }

    #[test]
    fn s14_12_the_pieces_of_a_part_have_what_its_sum_says() {
        let fields = base((0..80_000).map(|number| number * 3_000)); // one slice
        let of_field = |field: &[u8]| fields.iter().find(|(name, _)| name == field).map(|(_, value)| value);
        let (mut found, mut pieces) = (0, 0);
        for Indexed { part, pieces: own, sum } in index(&fields) {
            let mut computed = Sum::default();
            for piece in 0..own {
                let piece = of_field(&part.field(piece)).expect("a piece");
                assert!(piece.len() <= PIECE_BYTES);
                read(piece, ISSUER).expect("records").iter().for_each(|record| computed.add(record, LIST.as_bytes()));
            }
            assert_eq!(computed, sum);
            (found, pieces) = (found + sum.count, pieces + usize::from(own));
        }
        assert_eq!((found, pieces + 1), (80_000, fields.len()));
        assert!(pieces > usize::from(PARTS), "some parts have two");
    }

    #[test]
    fn s14_12_another_text_is_no_index() {
        let fields = base(0..100);
        let (_, good) = fields.last().expect("the index");
        assert!(read_index(&good[1..]).is_none() && read_index(b"x").is_none());
        assert!(read_index(&[&good[..], &good[..INDEX_BYTES]].concat()).is_none(), "a part twice");
        assert!(read_index(&good[..good.len() - 1]).is_none() && read_index(&[0xff, 0xff]).is_none());
        assert!(read_index(&[0, 0]).is_some_and(|none| none.parts.is_empty()));
    }
}
