//! The requirements of a server, by operation.

use std::collections::HashMap;

use countersign::integration::OperationGuard;
use foldhash::fast::RandomState;
use http::Method;

use crate::headers::{Head, Operation};

/// The methods that every server has and that run no operation: they need what every request needs.
const COMMON_METHODS: [&str; 12] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "logging/setLevel",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
];

/// The methods whose body names a prompt or resources: a server that checks inside evaluates those requirements.
const METHODS_CHECKED_INSIDE: [&str; 4] =
    ["completion/complete", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen"];

/// The properties of the server behind the layer, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerTrust {
    /// The server refuses a request whose headers and body name different operations.
    pub(crate) compares_headers: bool,
    /// The server evaluates the same requirements by what the body names.
    pub(crate) checks_inside: bool,
    /// The server replays the streams of all callers by event.
    pub(crate) replays_any_stream: bool,
}

/// Guards by name. Only the builder inserts names, so that no client can cause collisions.
pub(crate) type Table = HashMap<Box<str>, OperationGuard, RandomState>;

/// The guards of a server, by operation.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) resource: String,
    pub(crate) every_request: OperationGuard,
    pub(crate) tools: Table,
    pub(crate) prompts: Table,
    pub(crate) resources: Table,
    /// The longest prefix first.
    pub(crate) resource_prefixes: Vec<(Box<str>, OperationGuard)>,
    pub(crate) methods: Table,
    /// Everything that the table does not list.
    pub(crate) others: OperationGuard,
    /// All of them together.
    pub(crate) strictest: OperationGuard,
    pub(crate) refuses_unclear: bool,
    #[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "only handlers list"))]
    pub(crate) filters_lists: bool,
}

/// The guard of a request.
#[derive(Clone, Copy)]
pub(crate) enum Decided<'a> {
    By(&'a OperationGuard),
    /// The headers do not tell the operation, and such requests are refused.
    Unclear,
}

impl Access {
    /// The guard of a request, as far as its head tells.
    #[inline]
    pub(crate) fn of_request(&self, trust: ServerTrust, method: &Method, head: &Head<'_>) -> Decided<'_> {
        let told = if trust.compares_headers && *method == Method::POST { head.operation() } else { None };
        match told {
            Some(Operation::Method(method)) if trust.checks_inside && METHODS_CHECKED_INSIDE.contains(&method) => {
                Decided::By(self.methods.get(method).unwrap_or(&self.every_request))
            }
            Some(operation) => Decided::By(self.of(&operation)),
            None if self.refuses_unclear && *method == Method::POST => Decided::Unclear,
            None if trust.checks_inside => Decided::By(&self.every_request),
            None => Decided::By(&self.strictest),
        }
    }

    /// The guard of an operation.
    pub(crate) fn of(&self, operation: &Operation<'_>) -> &OperationGuard {
        match operation {
            Operation::Tool(name) => self.tools.get(&**name),
            Operation::Prompt(name) => self.prompts.get(&**name),
            Operation::Resource(uri) => self.resources.get(&**uri).or_else(|| self.by_prefix(uri)),
            Operation::Method(method) => self.methods.get(*method).or_else(|| self.common(method)),
        }
        .unwrap_or(&self.others)
    }

    /// The guard of a method that every server has.
    fn common(&self, method: &str) -> Option<&OperationGuard> {
        COMMON_METHODS.contains(&method).then_some(&self.every_request)
    }

    /// The guard of the longest prefix. An address that a server may resolve to one outside the prefix has none.
    fn by_prefix(&self, uri: &str) -> Option<&OperationGuard> {
        let (_, guard) =
            self.resource_prefixes.iter().find(|(prefix, _)| uri.strip_prefix(&**prefix).is_some_and(is_plain))?;
        Some(guard)
    }
}

/// Returns whether the rest of an address is not resolved to another place: no empty or dot segments, escapes, or other separators.
fn is_plain(rest: &str) -> bool {
    let is_plain_byte = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#');
    let is_place = |segment: &str| !matches!(segment, "" | "." | "..");
    rest.bytes().all(is_plain_byte) && rest.strip_suffix('/').unwrap_or(rest).split('/').all(is_place)
        || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_plain_addresses_lie_under_a_prefix() {
        assert!(["", "a", "a/b.txt", "a/", ".a", "a..b"].iter().all(|rest| is_plain(rest)));
        for rest in [
            "..",
            "/",
            "/a",
            "a//b",
            "a//",
            "../secret",
            "a/./b",
            "a/..",
            "%2e%2e/x",
            "a\\..",
            "a?b",
            "a#b",
            "é",
            "a b",
            "a\n",
        ] {
            assert!(!is_plain(rest), "{rest}");
        }
    }
}
