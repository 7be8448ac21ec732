//! Token ids: UUIDv7 (RFC 9562 §5.7), sortable by time, with 74 random bits. They are not secret.

use countersign_core::clock::UnixTime;

/// Generates a token id. `None` if the system provides no randomness.
pub(crate) fn token_id(now: UnixTime) -> Option<String> {
    let mut random = [0; 10];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let millis = u64::try_from(now.saturating_since(UnixTime::default()).as_millis()).ok()?;
    Some(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn s8_12_token_ids_are_uuids_of_version_7_with_the_given_time() {
        let id = token_id(UnixTime::from_secs(1_700_000_000)).expect("randomness");
        assert_eq!(id.len(), 36);
        assert_eq!(&id[..13], "018bcfe5-6800", "48 bits of milliseconds");
        assert_eq!(&id[14..15], "7", "version");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "variant 10");
    }

    #[test]
    fn s8_12_a_million_ids_of_one_instant_on_four_threads_are_unique() {
        // One instant for all ids is the hardest case: a clock that stands still or is set back each time.
        let make = || (0..250_000).map(|_| token_id(UnixTime::from_secs(5)).expect("randomness")).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
        let all: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 1_000_000);
    }
}
