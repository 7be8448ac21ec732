//! Quoting for a POSIX shell.

/// A curl command that sends `token` to `url`.
pub(crate) fn curl(token: &str, url: &str) -> String {
    format!("curl -i {} -H {}", quoted(url), quoted(&format!("Authorization: Bearer {token}")))
}

/// `text` quoted as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
