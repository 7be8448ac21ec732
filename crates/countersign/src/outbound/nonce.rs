//! Nonces that servers demand in proofs (RFC 9449 §8 and §9), read as untrusted input.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

use super::origin::Origin;

/// The longest nonce that is used, in bytes. Each proof repeats it.
const MAX_NONCE_BYTES: usize = 256;

/// The newest nonce, and the only origin that it is for.
#[derive(Default)]
pub(super) struct NewestNonce(Mutex<Option<(Origin, Arc<str>)>>);

impl NewestNonce {
    /// The nonce for a request to `origin`.
    pub(super) fn for_origin(&self, origin: &Origin) -> Option<Arc<str>> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|(of, _)| of == origin).map(|(_, nonce)| Arc::clone(nonce))
    }

    /// Stores the nonce of a response of `origin`, and returns it if it is another one than `sent`.
    pub(super) fn learn(&self, origin: &Origin, headers: &HeaderMap, sent: Option<&str>) -> Option<Arc<str>> {
        let nonce = nonce_in(headers).filter(|nonce| Some(*nonce) != sent)?;
        let nonce: Arc<str> = nonce.into();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((origin.clone(), Arc::clone(&nonce)));
        Some(nonce)
    }
}

/// The only nonce in a response; `None` if it is not of the form of RFC 9449 §8.1.
fn nonce_in(headers: &HeaderMap) -> Option<&str> {
    let is_nonce_char = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let mut values = headers.get_all("dpop-nonce").iter();
    let nonce = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    ((1..=MAX_NONCE_BYTES).contains(&nonce.len()) && nonce.bytes().all(is_nonce_char)).then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Reach;

    fn origin(text: &str) -> Origin {
        Origin::parse_within(Reach::Anywhere, text).expect("an origin")
    }

    fn headers(nonces: &[&str]) -> HeaderMap {
        let value = |nonce: &&str| ("dpop-nonce".parse().expect("a name"), nonce.parse().expect("a value"));
        nonces.iter().map(value).collect()
    }

    #[test]
    fn s7_21_a_nonce_is_for_its_origin_only_and_the_newest_counts() {
        let (billing, stock) = (origin("https://billing.test"), origin("https://stock.test"));
        let newest = NewestNonce::default();
        assert_eq!(newest.for_origin(&billing), None);
        for nonce in ["first", "second"] {
            assert_eq!(newest.learn(&billing, &headers(&[nonce]), None).as_deref(), Some(nonce));
            assert_eq!(newest.for_origin(&billing).as_deref(), Some(nonce));
        }
        assert_eq!(newest.learn(&billing, &headers(&["second"]), Some("second")), None, "the one that was sent");
        assert_eq!(newest.learn(&billing, &HeaderMap::new(), None), None);
        assert_eq!(newest.for_origin(&billing).as_deref(), Some("second"));
        for other in [&stock, &origin("https://billing.test:8443"), &origin("http://localhost:1")] {
            assert_eq!(newest.for_origin(other), None);
        }
    }

    #[test]
    fn s7_21_what_is_no_nonce_is_not_learnt() {
        let longest = "n".repeat(MAX_NONCE_BYTES);
        for good in ["eyJ7S_zG.eyJH0-Z.HX4w-7v", "!#[]~", longest.as_str()] {
            assert_eq!(nonce_in(&headers(&[good])), Some(good));
        }
        let too_long = format!("{longest}n");
        for bad in ["", "a b", "a\"b", "a\\b", "a\tb", too_long.as_str()] {
            assert_eq!(nonce_in(&headers(&[bad])), None, "{bad:?}");
        }
        assert_eq!(nonce_in(&headers(&["one", "two"])), None);
        let mut raw = HeaderMap::new();
        raw.insert("dpop-nonce", http::HeaderValue::from_bytes(b"n\xc3\xbc").expect("a value"));
        assert_eq!(nonce_in(&raw), None);
    }
}
