//! Trace context and request id, forwarded from the request that a call serves. They carry no identity.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::TraceParent;

/// The longest value forwarded, in bytes. W3C Trace Context requires 512 for `tracestate`.
const MAX_VALUE_BYTES: usize = 512;

/// The forwarded headers of an inbound request: each that occurs once and is well formed.
pub(super) fn trace_of(headers: &HeaderMap) -> HeaderMap {
    let once = |name: &'static str, is_fine: fn(&str) -> bool| -> Option<(HeaderName, HeaderValue)> {
        let mut values = headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        let text = value.to_str().ok()?;
        (text.len() <= MAX_VALUE_BYTES && is_fine(text)).then(|| (HeaderName::from_static(name), value.clone()))
    };
    let parent = once("traceparent", |line| TraceParent::parse(line).is_some());
    // `tracestate` is meaningless without `traceparent` (Trace Context §3.3).
    let state = parent.as_ref().and_then(|_| once("tracestate", |_| true));
    let id = once("x-request-id", |id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()));
    [parent, state, id].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let mut names: Vec<_> = trace_of(&map).keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn s10_11_only_a_well_formed_trace_goes_along() {
        let whole = [("traceparent", PARENT), ("tracestate", "a=b"), ("x-request-id", "r-1"), ("baggage", "sub=admin")];
        assert_eq!(of(&whole), ["traceparent", "tracestate", "x-request-id"]);
        assert!(of(&[("tracestate", "a=b"), ("x-user-id", "admin"), ("authorization", "Bearer x")]).is_empty());
        assert!(of(&[("x-request-id", "one"), ("x-request-id", "two")]).is_empty());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(of(&[("traceparent", bad)]).is_empty(), "{bad}");
        }
    }
}
