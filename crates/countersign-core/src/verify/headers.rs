//! A cache of parsed headers: every token that an issuer signs with one key has the same header.

use std::hash::BuildHasher;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;

use crate::error::VerifyError;
use crate::token::Header;

/// The number of cached headers, one for each key in use. Two in the same slot replace each other.
const MAX_HEADERS: usize = 256;

/// The longest header segment cached, in bytes.
const MAX_SEGMENT_BYTES: usize = 512;

/// The headers of verified tokens, read without a lock. A parsed header depends only on its text, so an entry never becomes
/// invalid, and sharing it reveals nothing.
pub(super) struct Headers {
    slots: [ArcSwapOption<Known>; MAX_HEADERS],
    hasher: RandomState,
}

struct Known {
    segment: Box<str>,
    header: Header,
}

impl Headers {
    /// Returns the parsed header, and whether this call parsed it.
    pub(super) fn read(&self, segment: &str) -> Result<(Header, bool), VerifyError> {
        let known = self.slot(segment).load();
        match known.as_ref().filter(|known| *known.segment == *segment) {
            Some(known) => Ok((known.header.clone(), false)),
            None => Header::decode(segment).map(|header| (header, true)),
        }
    }

    /// Caches the header of a verified token. Headers of refused tokens are never cached.
    pub(super) fn insert(&self, segment: &str, header: Header) {
        if segment.len() <= MAX_SEGMENT_BYTES {
            self.slot(segment).store(Some(Arc::new(Known { segment: segment.into(), header })));
        }
    }

    fn slot(&self, segment: &str) -> &ArcSwapOption<Known> {
        let [byte, ..] = self.hasher.hash_one(segment).to_le_bytes();
        &self.slots[usize::from(byte) % MAX_HEADERS]
    }
}

impl Default for Headers {
    fn default() -> Self {
        Headers { slots: std::array::from_fn(|_| ArcSwapOption::empty()), hasher: RandomState::default() }
    }
}

#[cfg(test)]
impl Headers {
    pub(super) fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.load().is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::encode_base64url as encode;

    fn segment(key_id: &str) -> String {
        encode(format!(r#"{{"kid":"{key_id}","alg":"ES256","typ":"application/at+jwt"}}"#).as_bytes())
    }

    fn is_known(headers: &Headers, segment: &str) -> bool {
        !headers.read(segment).expect("a header").1
    }

    #[test]
    fn s11_05_a_header_is_known_by_its_whole_text_once_it_is_kept() {
        let headers = Headers::default();
        let ours = segment("ours");
        assert!(!is_known(&headers, &ours) && !is_known(&headers, &ours), "reading alone leaves no trace");
        let (header, _) = headers.read(&ours).expect("a header");
        headers.insert(&ours, header.clone());
        assert!(is_known(&headers, &ours) && !is_known(&headers, &segment("else")));
        assert_eq!(headers.read(&ours).expect("a header").0, header);
        assert!(headers.read("e30").is_err() && headers.read("e30").is_err(), "no alg");
    }

    #[test]
    fn s11_04_headers_are_bounded_in_number_and_length() {
        let headers = Headers::default();
        for number in 0..10_000 {
            let segment = segment(&number.to_string());
            let (header, _) = headers.read(&segment).expect("a header");
            headers.insert(&segment, header);
            assert!(is_known(&headers, &segment));
        }
        assert_eq!(headers.len(), MAX_HEADERS);
        let long = encode(format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(400)).as_bytes());
        let (header, _) = headers.read(&long).expect("a header");
        headers.insert(&long, header);
        assert!(!is_known(&headers, &long));
    }
}

#[cfg(all(test, feature = "sign"))]
mod verifier_tests {
    use super::*;
    use crate::clock::{FixedClock, UnixTime};
    use crate::integration::Step;
    use crate::key::{Algorithm, StaticKeys};
    use crate::mint::{Draft, Signer};
    use crate::policy::NeedsAudience;
    use crate::verify::Verifier;

    #[test]
    fn s11_04_only_a_verified_token_leaves_its_header() {
        let signer = |key_id| Signer::generate(Algorithm::ES256).expect("a key").with_key_id(key_id);
        let (ours, untrusted, unknown) = (signer("ours"), signer("ours"), signer("unknown"));
        let keys = StaticKeys::new([ours.verifying_key().expect("public")]);
        let issuer = NeedsAudience::new("https://id.test", Arc::new(keys)).audience("orders");
        let clock = Arc::new(FixedClock::new(UnixTime::from_secs(1_700_000_000)));
        let verifier = Verifier::builder().clock(clock).trust(issuer).build().expect("a verifier");
        let token = |signer: &Signer, audience: &str, expires: u64| {
            let draft =
                Draft::access_token().issuer("https://id.test").audience(audience).subject("ann").client_id("web");
            let draft = draft.issued_at(UnixTime::from_secs(1_699_999_900)).expires_at(UnixTime::from_secs(expires));
            draft.claim("jti", "1").sign(signer).expect("a token")
        };
        for refused in [
            token(&untrusted, "orders", 1_700_000_060),
            token(&ours, "billing", 1_700_000_060),
            token(&ours, "orders", 1_699_999_940),
            token(&unknown, "orders", 1_700_000_060),
        ] {
            assert!(!matches!(verifier.verify_with_cached_keys(&refused), Step::Done(Ok(_))));
        }
        assert_eq!(verifier.0.current.load().headers.len(), 0);
        assert!(matches!(verifier.verify_with_cached_keys(&token(&ours, "orders", 1_700_000_060)), Step::Done(Ok(_))));
        assert_eq!(verifier.0.current.load().headers.len(), 1);
    }
}
