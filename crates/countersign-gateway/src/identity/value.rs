//! The facts about a caller that a header can tell.

use countersign_core::verify::Verified;
use serde::Deserialize;

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

impl IdentityValue {
    /// The values of this caller; `None` if it has none.
    pub(super) fn of(self, caller: &Verified) -> Option<Vec<String>> {
        let grants = caller.grants();
        let one = |text: Option<&str>| text.map(|text| vec![text.to_owned()]);
        let values = match self {
            IdentityValue::Issuer => one(Some(caller.issuer())),
            IdentityValue::Subject => one(Some(caller.subject()).filter(|subject| !subject.is_empty())),
            IdentityValue::Client => one(caller.client_id()),
            IdentityValue::Actor => one(caller.actor()),
            IdentityValue::Tenant => one(caller.tenant().map(countersign_core::claims::TenantId::as_str)),
            IdentityValue::Scopes => Some(grants.scopes.iter().map(str::to_owned).collect()),
            IdentityValue::Roles => Some(grants.roles.iter().map(str::to_owned).collect()),
            IdentityValue::Permissions => Some(grants.permissions.iter().map(str::to_owned).collect()),
        };
        values.filter(|values: &Vec<String>| !values.is_empty())
    }
}

/// The values as text of a header; `None` if it would be too long.
pub(super) fn encoded(values: &[String]) -> Option<String> {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:/@!$&'()*+=?".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
        if text.len() > MAX_VALUE_BYTES {
            return None;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn s9_04_values_are_visible_ascii_without_separators_or_refused() {
        let encoded = |values: &[&str]| encoded(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(encoded(&["a\r\nX-Role: admin"]).as_deref(), Some("a%0D%0AX-Role:%20admin"));
        assert_eq!(encoded(&["\u{fc}", "50%", "a,b;c"]).as_deref(), Some("%C3%BC,50%25,a%2Cb%3Bc"));
        assert_eq!(encoded(&["a\0b"]).as_deref(), Some("a%00b"));
        assert_eq!(encoded(&[&"x".repeat(10 * 1024)]), None);
        assert_eq!(encoded(&[&"\u{fc}".repeat(1024)]), None);
    }
}
