//! The facts about a caller that a header can tell.

use countersign_core::verify::Verified;
use serde::Deserialize;

use crate::octets::Octets;

/// The longest value of a header, in bytes after encoding.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// A fact about the caller, for a header.
///
/// Values are percent-encoded: a service decodes them. Lists are joined by commas, which names in them have encoded. A name
/// counts only with its issuer: set `issuer` too if the policy trusts several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdentityValue {
    /// The issuer of the token.
    Issuer,
    /// The subject.
    Subject,
    /// The client, if the token names one.
    Client,
    /// The outermost actor, if there is one.
    Actor,
    /// The tenant, if there is one.
    Tenant,
    /// The scopes.
    Scopes,
    /// The roles.
    Roles,
    /// The permissions.
    Permissions,
}

/// A value that is too long for a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl IdentityValue {
    /// The text for a header; `None` if the caller has no such value.
    pub(super) fn of(self, caller: &Verified) -> Result<Option<String>, TooLong> {
        let grants = caller.grants();
        match self {
            IdentityValue::Issuer => encoded([caller.issuer()]),
            IdentityValue::Subject => encoded(Some(caller.subject()).filter(|subject| !subject.is_empty())),
            IdentityValue::Client => encoded(caller.client_id()),
            IdentityValue::Actor => encoded(caller.actor()),
            IdentityValue::Tenant => encoded(caller.tenant().map(countersign_core::claims::TenantId::as_str)),
            IdentityValue::Scopes => encoded(grants.scopes.iter()),
            IdentityValue::Roles => encoded(grants.roles.iter()),
            IdentityValue::Permissions => encoded(grants.permissions.iter()),
        }
    }
}

/// The values as text of a header; `None` if there are none.
fn encoded<'v>(values: impl IntoIterator<Item = &'v str>) -> Result<Option<String>, TooLong> {
    let mut text = None::<String>;
    for value in values {
        let text = match &mut text {
            Some(text) => {
                text.push(',');
                text
            }
            none => none.insert(String::with_capacity(value.len())),
        };
        if value.bytes().all(|byte| PLAIN.contains(byte)) {
            text.push_str(value);
        } else {
            for byte in value.bytes() {
                if PLAIN.contains(byte) {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        if text.len() > MAX_VALUE_BYTES {
            return Err(TooLong);
        }
    }
    Ok(text)
}

/// The bytes that need no encoding.
static PLAIN: Octets = Octets::alphanumeric_and(b"-._~:/@!$&'()*+=?");

#[cfg(test)]
mod tests {
    use super::{TooLong, encoded};

    #[test]
    fn s9_04_values_are_visible_ascii_without_separators_or_refused() {
        let text = |values: &[&str]| encoded(values.iter().copied());
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(text(&["a\r\nX-Role: admin"]), is("a%0D%0AX-Role:%20admin"));
        assert_eq!(text(&["\u{fc}", "50%", "a,b;c"]), is("%C3%BC,50%25,a%2Cb%3Bc"));
        assert_eq!(text(&["a\0b"]), is("a%00b"));
        assert_eq!(text(&["", "a"]), is(",a"));
        assert_eq!(text(&[]), Ok(None));
        assert_eq!(text(&[&"x".repeat(10 * 1024)]), Err(TooLong));
        assert_eq!(text(&[&"\u{fc}".repeat(1024)]), Err(TooLong));
    }
}
