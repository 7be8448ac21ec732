//! A key as it is shown: without its secret.

use countersign::clock::UnixTime;
use countersign_apikey::ApiKey;

use crate::{output, times};

/// One line for people.
pub(super) fn line(key: &ApiKey) -> String {
    let now = times::now();
    let at = |time: UnixTime| times::relative(i64::try_from(time.as_secs()).unwrap_or(i64::MAX), now);
    let names = |names: &[String]| names.iter().map(|name| output::word(name)).collect::<Vec<_>>().join(" ");
    let mut parts = vec![format!("{} of {} for {}", key.id(), output::word(key.client()), names(key.audiences()))];
    let mut add = |what: &str, text: String| {
        if !text.is_empty() {
            parts.push(format!("{what} {text}"));
        }
    };
    add("scopes", names(key.scopes()));
    add("roles", names(key.roles()));
    add("permissions", names(key.permissions()));
    add("tenant", key.tenant().map(output::word).unwrap_or_default());
    match key.revoked_at() {
        Some(time) => add("revoked", at(time)),
        None if key.expires_at().as_secs() <= u64::try_from(now).unwrap_or_default() => {
            add("ended", at(key.expires_at()));
        }
        None => add("ends", at(key.expires_at())),
    }
    add("last used", key.last_used_at().map(at).unwrap_or_default());
    if !key.note().is_empty() {
        add("note", output::quoted(key.note()));
    }
    parts.join(", ")
}
