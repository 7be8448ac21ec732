//! The parts of a text that can be read as a token, and the faults of the others.

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::token::{decode_base64url, parse_for_display};

/// The readable parts of a text. **Nothing of it is trusted**: no guard, extractor or verifier accepts it.
///
/// ```
/// let inspection = countersign_core::inspect::inspect("eyJhbGciOiJub25lIn0.aGk.");
/// assert_eq!(inspection.header().unwrap()["alg"], "none");
/// assert_eq!((inspection.payload(), inspection.payload_bytes()), (None, Some(&b"hi"[..])));
/// assert_eq!(inspection.faults()[0].byte, 24); // the signature is empty
/// ```
#[must_use]
pub struct Inspection<'t> {
    text: &'t str,
    header: Option<Value>,
    payload: Option<Value>,
    payload_bytes: Option<Vec<u8>>,
    faults: Vec<TokenFault>,
}

/// A fault in the form of a token, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenFault {
    /// The part with the fault.
    pub segment: Segment,
    /// The byte of the text at which it begins, counted from 0.
    pub byte: usize,
    /// The description of the fault.
    pub problem: &'static str,
}

/// A part of a compact JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Segment {
    /// The text as a whole: its length, or the number of its dots.
    Whole,
    /// Before the first dot.
    Header,
    /// Between the dots.
    Payload,
    /// After the second dot.
    Signature,
}

/// Takes `text` apart without verifying it. For tools; services verify.
pub fn inspect(text: &str) -> Inspection<'_> {
    let mut inspection = Inspection { text, header: None, payload: None, payload_bytes: None, faults: Vec::new() };
    inspection.read();
    inspection
}

impl<'t> Inspection<'t> {
    /// The longest text that is inspected, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// The header, if it is JSON.
    #[must_use]
    pub fn header(&self) -> Option<&Value> {
        self.header.as_ref()
    }

    /// The payload, if it is JSON.
    #[must_use]
    pub fn payload(&self) -> Option<&Value> {
        self.payload.as_ref()
    }

    /// The decoded payload, JSON or not.
    #[must_use]
    pub fn payload_bytes(&self) -> Option<&[u8]> {
        self.payload_bytes.as_deref()
    }

    /// The faults in the form of the text, in its order.
    #[must_use]
    pub fn faults(&self) -> &[TokenFault] {
        &self.faults
    }

    /// The text that was inspected.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    fn read(&mut self) {
        if self.text.len() > Self::MAX_BYTES {
            return self.fault(Segment::Whole, Self::MAX_BYTES, "longer than 64 KiB; not inspected");
        }
        // One more part than a token has: a text with many dots costs no more than one with four.
        let mut parts = self.text.splitn(4, '.');
        let mut start = 0;
        for segment in [Segment::Header, Segment::Payload, Segment::Signature] {
            let Some(part) = parts.next() else {
                return self.fault(Segment::Whole, self.text.len(), "fewer than three segments");
            };
            self.read_segment(segment, start, part);
            start += part.len() + 1;
        }
        if parts.next().is_some() {
            let is_encrypted = self.text.bytes().filter(|byte| *byte == b'.').count() == 4;
            let problem = if is_encrypted { "five segments: encrypted (JWE)" } else { "more than three segments" };
            self.fault(Segment::Whole, start - 1, problem);
        }
    }

    fn read_segment(&mut self, segment: Segment, start: usize, part: &str) {
        if part.is_empty() {
            return self.fault(segment, start, "the segment is empty");
        }
        let is_foreign = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if let Some(at) = part.find(is_foreign) {
            return self.fault(segment, start + at, "a character that base64url does not have");
        }
        let Some(bytes) = decode_base64url(part) else {
            let last = start + part.len() - 1;
            return self.fault(segment, last, "not canonical base64url: wrong length, or unused bits that are set");
        };
        let json = match segment {
            Segment::Header | Segment::Payload => parse_for_display(&bytes),
            Segment::Signature | Segment::Whole => return,
        };
        if segment == Segment::Payload {
            self.payload = json;
            self.payload_bytes = Some(bytes);
            return; // a JWS may have any payload
        }
        self.header = json;
        if self.header.is_none() {
            let error = serde_json::from_slice::<IgnoredAny>(&bytes).err();
            let at = error.map_or(0, |error| offset(&bytes, error.line(), error.column()));
            self.fault(segment, (start + at * 4 / 3).min(start + part.len() - 1), "the header is not JSON");
        }
    }

    fn fault(&mut self, segment: Segment, byte: usize, problem: &'static str) {
        self.faults.push(TokenFault { segment, byte, problem });
    }
}

/// The byte at `line` and `column`, both counted from 1, as in errors of `serde_json`.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let line_start: usize =
        bytes.split(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(|line| line.len() + 1).sum();
    (line_start + column.saturating_sub(1)).min(bytes.len().saturating_sub(1))
}

/// The faults, without the content of the text.
impl fmt::Debug for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection").field("faults", &self.faults).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::encode_base64url;

    fn first_fault(text: &str) -> (Segment, usize) {
        let inspection = inspect(text);
        let fault = inspection.faults().first().unwrap_or_else(|| panic!("no fault in {text}"));
        (fault.segment, fault.byte)
    }

    #[test]
    fn faults_have_positions() {
        assert_eq!(inspect("e30.e30.AA").faults(), []);
        assert_eq!(first_fault("e30"), (Segment::Whole, 3));
        assert_eq!(first_fault("e30.e30"), (Segment::Whole, 7));
        assert_eq!(first_fault("e30.e+0.AA"), (Segment::Payload, 5));
        assert_eq!(first_fault("e30.e30.A"), (Segment::Signature, 8));
        assert_eq!(first_fault("e31.e30.AA"), (Segment::Header, 2));
        assert_eq!(first_fault("..AA"), (Segment::Header, 0));
        assert_eq!(first_fault("e30.e30.AA.AA"), (Segment::Whole, 10));
        assert_eq!(first_fault("e30.e30.é"), (Segment::Signature, 8));
        let not_json = encode_base64url(b"{\"alg\":}");
        assert_eq!(first_fault(&format!("{not_json}.e30.AA")), (Segment::Header, 9));
    }

    #[test]
    fn other_segments_are_read_despite_a_fault() {
        let inspection = inspect("e?0.eyJzdWIiOiJhbm4ifQ.AA");
        assert_eq!(inspection.header(), None);
        assert_eq!(inspection.payload().map(|claims| claims["sub"].clone()), Some("ann".into()));
    }

    #[test]
    fn s10_01_a_debugged_inspection_shows_nothing_of_the_text() {
        let debugged = format!("{:?}", inspect("e30.eyJzdWIiOiJhbm4ifQ.AAAA"));
        assert!(!debugged.contains("ann") && !debugged.contains("AAAA"), "{debugged}");
    }
}
