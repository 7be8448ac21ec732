//! Headers seen before: an issuer writes the same one on every token that it signs with a key.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::HeaderCache;
use crate::error::VerifyError;
use crate::token::Header;

/// The bytes that headers may hold: those of some two thousand keys.
const MAX_HEADERS_BYTES: usize = 1024 * 1024;

/// The headers of verified tokens, parsed. What a header says depends on its text alone, so that nothing makes it void.
pub(super) struct Headers(Option<HeaderCache<Header>>);

impl Headers {
    /// What the header segment says, and that again where it was not at hand, to be remembered later.
    pub(super) fn read(&self, segment: &str) -> Result<(Arc<Header>, Option<Arc<Header>>), VerifyError> {
        if let Some(header) = self.0.as_ref().and_then(|seen| seen.get(segment, Duration::ZERO)) {
            return Ok((header, None));
        }
        let header = Arc::new(Header::decode(segment)?);
        Ok((Arc::clone(&header), Some(header)))
    }

    /// Keeps the header of a token that was verified: what a refused one brought leaves no trace (S11.04).
    pub(super) fn remember(&self, segment: &str, header: Arc<Header>) {
        if let Some(seen) = &self.0 {
            seen.insert(segment, header, segment.len(), Duration::MAX);
        }
    }
}

impl Default for Headers {
    fn default() -> Self {
        Headers(HeaderCache::new(MAX_HEADERS_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::encode_base64url as encode;

    #[test]
    fn s11_04_s11_05_a_header_is_known_once_kept_and_by_its_whole_text() {
        let headers = Headers::default();
        let segment =
            |kid: &str| encode(format!(r#"{{"kid":"{kid}","alg":"ES256","typ":"application/at+jwt"}}"#).as_bytes());
        let is_known = |segment: &str| headers.read(segment).expect("a header").1.is_none();
        let ours = segment("ours");
        assert!(!is_known(&ours) && !is_known(&ours), "reading alone leaves no trace");
        let (header, unseen) = headers.read(&ours).expect("a header");
        headers.remember(&ours, unseen.expect("not seen before"));
        assert!(is_known(&ours) && !is_known(&segment("else")));
        assert_eq!(headers.read(&ours).expect("a header").0, header);
        assert!(headers.read("e30").is_err() && headers.read("e30").is_err(), "no alg");
    }

    #[test]
    fn s11_04_headers_are_bounded_in_bytes() {
        let headers = Headers::default();
        for number in 0..10_000 {
            let segment = encode(format!(r#"{{"alg":"ES256","kid":"{number}"}}"#).as_bytes());
            let (header, _) = headers.read(&segment).expect("a header");
            headers.remember(&segment, header);
        }
        let held = headers.0.as_ref().expect("a cache").len();
        assert!((50..MAX_HEADERS_BYTES / ENTRY_BYTES).contains(&held), "{held}");
    }

    /// No entry is smaller.
    const ENTRY_BYTES: usize = 256;
}
