//! Header names that clients may not send, compared as lenient servers compare them.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::error::{ConfigError, Fault};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::value::IdentityValue;

/// Headers by which some servers replace the method or the address of a request.
const OVERRIDES: [&str; 6] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// Headers that carry requests and credentials, which an identity cannot replace.
const OF_REQUESTS: [&str; 17] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers that belong to the gateway: those that it sets, and those that only other parts of the system may send.
///
/// Names are compared without case, with all signs taken as one, and without the `-bin` of gRPC's binary metadata: `X-User-Id`
/// also stands for `x_user_id`, `X.User.Id` and `x-user-id-bin`, which servers give to the same variable. Headers that replace
/// the method or the address of a request, such as `X-HTTP-Method-Override` and `X-Original-URL`, always belong to them.
///
/// ```
/// use countersign_gateway::{IdentityValue, ReservedHeaders};
/// use http::HeaderMap;
///
/// let headers = ReservedHeaders::new().set("x-caller", IdentityValue::Subject).reserve("x-internal-*").build()?;
/// let mut sent = HeaderMap::new();
/// sent.insert("x_caller", "admin".parse()?);
/// sent.insert("x-internal-role", "admin".parse()?);
/// sent.insert("accept", "*/*".parse()?);
/// assert_eq!(headers.found_in(&sent).count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReservedHeaders {
    /// The headers that are set.
    values: BTreeMap<String, IdentityValue>,
    patterns: Vec<String>,
    /// The classes of names.
    names: Vec<String>,
    prefixes: Vec<String>,
    /// A bit for each length of a class of `names`: most headers have none of them.
    lengths: u128,
    set: Vec<(HeaderName, IdentityValue)>,
}

impl ReservedHeaders {
    /// No header is set, and only those that replace method or address are reserved.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets this header to a value of the caller, and reserves it.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: IdentityValue) -> Self {
        self.values.insert(name.into(), value);
        self
    }

    /// Reserves this name, or with `*` at its end all names that begin so.
    #[must_use]
    pub fn reserve(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Checks the names.
    ///
    /// # Errors
    /// `ConfigError` with each name that is not one of a header, or that requests need.
    pub fn build(mut self) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut fault =
            |name: &str, problem: &'static str| faults.push(Fault::new(format!("identity {name}"), problem));
        self.names = OVERRIDES.iter().map(|name| class(name)).collect();
        (self.prefixes, self.set) = (Vec::new(), Vec::new());
        for pattern in &self.patterns {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            let is_prefix = name.len() < pattern.len();
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                fault(
                    pattern,
                    "not the name of a header; write one such as x-caller, or a prefix such as x-internal-*",
                );
            } else if is_needed(&class(name), is_prefix) {
                fault(pattern, "requests need this header; choose another name, such as x-caller");
            } else if is_prefix {
                self.prefixes.push(prefix_class(name));
            } else {
                self.names.push(class(name));
            }
        }
        let mut classes = BTreeSet::new();
        for (name, value) in &self.values {
            match HeaderName::from_bytes(name.as_bytes()) {
                Err(_) => fault(name, "not the name of a header; write one such as x-caller"),
                Ok(_) if is_needed(&class(name), false) => {
                    fault(name, "requests need this header; choose another name, such as x-caller");
                }
                Ok(_) if !classes.insert(class(name)) => {
                    fault(name, "servers take it for another header that is set; remove one of them");
                }
                Ok(header) => {
                    self.names.push(class(name));
                    self.set.push((header, *value));
                }
            }
        }
        ConfigError::check(faults)?;
        self.lengths = self.names.iter().fold(0, |lengths, name| lengths | length_bit(name.len()));
        Ok(self)
    }

    /// Returns whether this name belongs to the gateway.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        // Of each request, every header is asked about: nothing is allocated.
        let name = name.as_str().as_bytes();
        let plain = match name.len().checked_sub(BINARY.len()).map(|end| name.split_at(end)) {
            Some((plain, end)) if is_of_class(end, BINARY) => plain,
            _ => name,
        };
        let has_length = self.lengths & length_bit(plain.len()) != 0;
        (has_length && self.names.iter().any(|class| is_of_class(plain, class)))
            || self.prefixes.iter().any(|class| name.get(..class.len()).is_some_and(|start| is_of_class(start, class)))
    }

    /// The names in these headers that belong to the gateway, each once.
    pub fn found_in<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h HeaderName> {
        headers.keys().filter(|name| self.contains(name))
    }

    /// Reserves one more name, which is one of a header.
    pub(crate) fn add(&mut self, name: &HeaderName) {
        let class = class(name.as_str());
        self.lengths |= length_bit(class.len());
        self.names.push(class);
    }

    /// The names that are set, as they are written.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.set.iter().map(|(name, _)| name)
    }

    /// The headers of this caller; `None` if a value fits into none.
    pub(crate) fn of(&self, caller: &countersign_core::verify::Verified) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.set {
            if let Some(text) = value.of(caller).ok()? {
                headers.insert(name, HeaderValue::try_from(text).ok()?);
            }
        }
        Some(headers)
    }
}

/// The end of names of binary metadata, as a class.
const BINARY: &str = "-bin";

/// The bit of a length. The last one is for all that are longer.
fn length_bit(length: usize) -> u128 {
    1 << length.min(127)
}

/// Returns whether the name has this class, as [`prefix_class`] makes it.
fn is_of_class(name: &[u8], class: &str) -> bool {
    name.len() == class.len() && name.iter().zip(class.bytes()).all(|(byte, class)| of_class(*byte) == class)
}

fn of_class(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// The name as servers compare it that read headers from variables: all signs are one.
fn class(name: &str) -> String {
    let class = prefix_class(name);
    class.strip_suffix(BINARY).map(str::to_owned).unwrap_or(class)
}

fn prefix_class(name: &str) -> String {
    name.bytes().map(|byte| char::from(of_class(byte))).collect()
}

fn is_needed(class: &str, is_prefix: bool) -> bool {
    OF_REQUESTS.iter().any(|needed| *needed == class || (is_prefix && needed.starts_with(class)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_01_s9_16_every_spelling_of_a_name_is_the_gateways() {
        let headers = ReservedHeaders::new().set("X-User-Id", IdentityValue::Subject).reserve("x-internal-*").build();
        let headers = headers.expect("sound");
        for name in [
            "x-user-id",
            "X-USER-ID",
            "x_user_id",
            "X_User-Id",
            "x.user.id",
            "x-user.id",
            "x-user-id-bin",
            "x_user_id_bin",
            "X.User.Id.Bin",
            "x!user#id",
            "x~user~id",
            "x-internal-role",
            "X_INTERNAL_ROLE",
            "x.internal.",
            "x-internal-a-bin",
            "x-http-method-override",
            "X_HTTP_Method_Override",
            "x-original-url",
            "X-Rewrite-Url",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
            assert!(headers.contains(&name), "{name}");
        }
        for name in ["x-user", "x-user-ids", "x-user-id-2", "xuserid", "x-internal", "x-internals", "accept", "bin"] {
            assert!(!headers.contains(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn names_that_requests_need_are_refused() {
        for name in ["Authorization", "host", "content_length", "dpop-bin", "c*", "*", "a b", "", "x-caller:", "TE"] {
            let reserved = ReservedHeaders::new().reserve(name).build().map(drop);
            assert!(reserved.is_err(), "{name}");
        }
        let set = ReservedHeaders::new().set("x-caller", IdentityValue::Subject).set("x_caller", IdentityValue::Issuer);
        assert!(set.build().expect_err("one class").to_string().contains("another header"));
    }
}
