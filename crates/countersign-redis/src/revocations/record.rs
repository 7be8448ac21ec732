//! The form of a revocation in the server: short, because each follower reads all of them.
//!
//! A byte for the kind, the end and the time of issue as numbers of variable length, the length of the name, and the name. The
//! issuer is that of the stream. Nothing that is read is trusted.

use countersign::clock::UnixTime;
use countersign_core::integration::sha256_of;
use countersign_core::revocation::{RevocationNotice, RevokedTokens};

const TOKEN: u8 = 1;
const SESSION: u8 = 2;
const SUBJECT: u8 = 3;
const CLIENT: u8 = 4;
const ALL: u8 = 5;

/// The most bytes of a number: 64 bits, seven in each.
const MAX_NUMBER_BYTES: usize = 10;

/// A revocation, with the digest of its form.
pub(super) struct Record {
    pub(super) notice: RevocationNotice,
    pub(super) digest: [u8; 32],
}

/// The form of a revocation.
pub(super) fn write(notice: &RevocationNotice) -> Vec<u8> {
    let expires_at = notice.expires_at();
    let (kind, name, before) = match notice.tokens() {
        RevokedTokens::Token(id) => (TOKEN, &**id, None),
        RevokedTokens::Session(id) => (SESSION, &**id, None),
        RevokedTokens::Subject(subject, before) => (SUBJECT, &**subject, Some(*before)),
        RevokedTokens::Client(client, before) => (CLIENT, &**client, Some(*before)),
        RevokedTokens::All(before) => (ALL, "", Some(*before)),
        _ => (ALL, "", Some(expires_at)), // a kind that is not known here may mean any token
    };
    let mut bytes = Vec::with_capacity(name.len() + 16);
    bytes.push(kind);
    push_number(&mut bytes, expires_at.as_secs());
    if let Some(before) = before {
        push_number(&mut bytes, before.as_secs());
    }
    if kind != ALL {
        push_number(&mut bytes, u64::try_from(name.len()).unwrap_or_default()); // of at most 1,024 bytes
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes
}

/// The revocations of this issuer in `bytes`, one after the other; `None` if there is anything else.
pub(super) fn read(mut bytes: &[u8], issuer: &str) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let whole = bytes;
        let notice = take(&mut bytes, issuer)?;
        let form = whole.get(..whole.len() - bytes.len())?;
        records.push(Record { notice, digest: sha256_of(form) });
    }
    Some(records)
}

fn take(bytes: &mut &[u8], issuer: &str) -> Option<RevocationNotice> {
    let (kind, rest) = bytes.split_first()?;
    *bytes = rest;
    let expires_at = UnixTime::from_secs(take_number(bytes)?);
    let before = if matches!(*kind, SUBJECT | CLIENT | ALL) {
        UnixTime::from_secs(take_number(bytes)?)
    } else {
        UnixTime::default()
    };
    let mut name = || -> Option<Box<str>> {
        let length = usize::try_from(take_number(bytes)?).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        std::str::from_utf8(name).ok().map(Box::from)
    };
    let tokens = match *kind {
        TOKEN => RevokedTokens::Token(name()?),
        SESSION => RevokedTokens::Session(name()?),
        SUBJECT => RevokedTokens::Subject(name()?, before),
        CLIENT => RevokedTokens::Client(name()?, before),
        ALL => RevokedTokens::All(before),
        _ => return None,
    };
    RevocationNotice::new(issuer, tokens, expires_at).ok()
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for at in 0..MAX_NUMBER_BYTES {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let shift = 7 * u32::try_from(at).ok()?;
        let part = u64::from(byte & 0x7f);
        let shifted = part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.test";

    fn all() -> Vec<RevocationNotice> {
        let at = UnixTime::from_secs;
        let notice = |tokens, until| RevocationNotice::new(ISSUER, tokens, until).expect("a notice");
        vec![
            notice(RevokedTokens::Token("0193-a".into()), at(1_800_000_000)),
            notice(RevokedTokens::Session("ü".repeat(500).into()), UnixTime::MAX),
            notice(RevokedTokens::Subject("ann".into(), at(1_800_000_000)), at(1_800_003_600)),
            notice(RevokedTokens::Client("web".into(), at(0)), at(0)),
            notice(RevokedTokens::All(at(127)), at(128)),
        ]
    }

    #[test]
    fn s14_12_what_was_written_is_read_and_each_has_a_digest_of_its_own() {
        let bytes: Vec<u8> = all().iter().flat_map(write).collect();
        let records = read(&bytes, ISSUER).expect("records");
        assert_eq!(records.iter().map(|record| record.notice.clone()).collect::<Vec<_>>(), all());
        let digests: std::collections::HashSet<_> = records.iter().map(|record| record.digest).collect();
        assert_eq!(digests.len(), all().len());
        assert!(read(&[], ISSUER).is_some_and(|none| none.is_empty()));
        assert_eq!(write(&all()[0]).len(), 13, "a kind, five bytes of time, a length and the name");
    }

    /// No part of a record is one, and no byte that is changed makes the reader end.
    #[test]
    fn s14_12_nothing_else_is_a_revocation() {
        for notice in all() {
            let bytes = write(&notice);
            for length in 1..bytes.len() {
                assert!(read(&bytes[..length], ISSUER).is_none(), "{notice:?}: {length} bytes");
            }
        }
        for broken in [
            &b"{}"[..],
            &[0, 1, 1, b'a'],
            &[6, 1],
            &[TOKEN, 1, 0],
            &[TOKEN, 1, 1, 0xff],
            &[TOKEN, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, b'a'],
            &[TOKEN, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, b'a'],
            &[TOKEN, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, b'a'],
        ] {
            assert!(read(broken, ISSUER).is_none(), "{broken:?}");
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
            drop(read(&bytes, ISSUER));
        }
    }
}
