//! The header `traceparent` of W3C Trace Context.

use http::HeaderMap;

/// The length of the header, in bytes. Fields that later versions may append are not read.
const BYTES: usize = 55;

/// A well-formed `traceparent`. It comes from the client and proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent([u8; BYTES]);

impl TraceParent {
    /// The header, if it occurs once and is well formed.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all("traceparent").iter();
        let line = lines.next().filter(|_| lines.next().is_none())?;
        Self::parse(line.to_str().ok()?)
    }

    /// Version, trace id, parent id and flags in lower-case hex (§3.2).
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let bytes: [u8; BYTES] = value.as_bytes().try_into().ok()?;
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
        let mut parts = value.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = (version.len(), trace.len(), parent.len(), flags.len()) == (2, 32, 16, 2);
        let is_fine = lengths && parts.next().is_none() && [version, trace, parent, flags].into_iter().all(is_hex);
        (is_fine && version != "ff" && !is_zero(trace) && !is_zero(parent)).then_some(TraceParent(bytes))
    }

    /// The id of the whole trace: 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> &str {
        self.part(3..35)
    }

    /// The id of the caller's span: 16 hexadecimal digits.
    pub(crate) fn parent_id(&self) -> &str {
        self.part(36..52)
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        self.0.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default() // ASCII, by `parse`
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn s10_11_only_a_well_formed_parent_is_read() {
        let parent = TraceParent::parse(PARENT).expect("well formed");
        assert_eq!((parent.trace_id(), parent.parent_id()), ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7-01x",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
        let mut headers = HeaderMap::new();
        headers.append("traceparent", http::HeaderValue::from_static(PARENT));
        assert_eq!(TraceParent::of(&headers), Some(parent));
        headers.append("traceparent", http::HeaderValue::from_static(PARENT));
        assert_eq!(TraceParent::of(&headers), None, "twice");
    }
}
