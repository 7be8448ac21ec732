use serde::Deserialize;

use super::*;
use crate::error::VerifyErrorKind as Kind;
use crate::token::decode_base64url;

/// A test vector of the draft (draft-ietf-oauth-status-list-21 §4.1 and its appendix): all indices that are not named are 0.
#[derive(Deserialize)]
struct Vector {
    bits: u8,
    entries: u64,
    lst: String,
    statuses: Vec<(u64, u8)>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../vectors/status_list.json")).expect("vectors")
}

fn read(json: &str) -> Option<StatusClaim> {
    StatusClaim::read(json)
}

#[test]
fn s14_08_every_index_of_the_drafts_vectors_for_1_2_4_and_8_bits() {
    let vectors = vectors();
    assert_eq!(vectors.iter().map(|vector| vector.bits).collect::<Vec<_>>(), [1, 2, 1, 2, 4, 8]);
    for Vector { bits, entries, lst, statuses } in vectors {
        let compressed = decode_base64url(&lst).expect("base64url");
        let list = StatusList::from_compressed(bits, &compressed, MAX_STATUS_LIST_BYTES).expect("a list");
        assert_eq!((list.bits(), list.entries()), (bits, entries));
        let mut written = StatusList::new(bits, entries).expect("a size");
        for (index, value) in &statuses {
            assert!(written.set(*index, *value));
            assert_eq!(list.status(*index), Some(ListedStatus::from(*value)), "{index} of {bits} bits");
        }
        assert_eq!(list, written, "all others are 0");
        assert_eq!(list.status(entries), None);
        assert_eq!(list.status(u64::MAX), None);
        let again = StatusList::from_compressed(bits, &written.to_compressed(), MAX_STATUS_LIST_BYTES);
        assert_eq!(again.expect("a list"), written);
    }
}

#[test]
fn s14_08_a_zip_bomb_stops_at_the_bound() {
    // A thousand times its size: 64 MiB of zeros.
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 64 * 1024 * 1024], 9);
    assert!(bomb.len() < 80_000);
    let refused = StatusList::from_compressed(1, &bomb, MAX_STATUS_LIST_BYTES).expect_err("too large");
    assert_eq!(refused.kind(), Kind::TooLarge);
    for entries in [8, 64 * 1024 * 8, 64 * 1024 * 8 + 8] {
        let list = StatusList::new(1, entries).expect("a size");
        let (compressed, bytes) = (list.to_compressed(), list.bytes());
        assert_eq!(StatusList::from_compressed(1, &compressed, bytes).expect("a list"), list);
        let refused = StatusList::from_compressed(1, &compressed, bytes - 1).expect_err("a byte too long");
        assert_eq!(refused.kind(), Kind::TooLarge);
    }
}

#[test]
fn s14_08_what_is_not_one_zlib_stream_is_refused() {
    let good = StatusList::new(1, 64).expect("a size").to_compressed();
    let code = |bits, bytes: &[u8]| StatusList::from_compressed(bits, bytes, 1_000).map_err(|error| error.code()).err();
    assert_eq!(code(1, &good), None);
    for bits in [0, 3, 5, 16, 255] {
        assert_eq!(code(bits, &good), Some("malformed"), "{bits}");
    }
    let mut wrong_sum = good.clone();
    *wrong_sum.last_mut().expect("a byte") ^= 1;
    let raw = &good[2..good.len() - 4];
    for broken in [&[][..], b"x", &good[..good.len() - 1], &[&good[..], b"x"].concat(), &wrong_sum, raw] {
        assert_eq!(code(1, broken), Some("malformed"), "{broken:?}");
    }
}

#[test]
fn s14_08_the_claim_is_read_strictly() {
    let listed = |json: &str| match read(json) {
        Some(StatusClaim::Listed(place)) => Some((place.index(), place.uri().to_owned())),
        _ => None,
    };
    let uri = "https://id.test/1";
    let good = r#"{"status_list":{"idx":7,"uri":"https://id.test/1"}}"#;
    assert_eq!(listed(good), Some((7, uri.to_owned())));
    let with_others = r#"{"a":{"b":[1]},"status_list":{"x":{},"uri":"https:\/\/id.test\/1","idx":0,"y":"z"}}"#;
    assert_eq!(listed(with_others), Some((0, uri.to_owned())));
    for other in ["null", r#""active""#, "7", "[]", "{}", r#"{"other":{"idx":1}}"#] {
        assert_eq!(read(other), None, "{other}");
    }
    let too_long = format!(r#"{{"status_list":{{"idx":1,"uri":"https://{}"}}}}"#, "a".repeat(MAX_STATUS_URI_BYTES));
    for broken in [
        r#"{"status_list":null}"#,
        r#"{"status_list":[]}"#,
        r#"{"status_list":{}}"#,
        r#"{"status_list":{"idx":1}}"#,
        r#"{"status_list":{"uri":"https://id.test/1"}}"#,
        r#"{"status_list":{"idx":-1,"uri":"https://id.test/1"}}"#,
        r#"{"status_list":{"idx":1.0,"uri":"https://id.test/1"}}"#,
        r#"{"status_list":{"idx":"1","uri":"https://id.test/1"}}"#,
        r#"{"status_list":{"idx":18446744073709551616,"uri":"https://id.test/1"}}"#,
        r#"{"status_list":{"idx":1,"uri":""}}"#,
        r#"{"status_list":{"idx":1,"uri":"https://id.test/a b"}}"#,
        r#"{"status_list":{"idx":1,"uri":["https://id.test/1"]}}"#,
        r#"{"status_list":{"idx":1,"idx":1,"uri":"https://id.test/1"}}"#,
        too_long.as_str(),
    ] {
        assert_eq!(read(broken), Some(StatusClaim::Malformed), "{broken}");
    }
}
