//! Quoting for a POSIX shell.

/// A curl command that sends `token` to `url`.
pub(crate) fn curl(token: &str, url: &str) -> String {
    format!("curl -i {} -H {}", quoted(url), quoted(&format!("Authorization: Bearer {token}")))
}

/// A curl command that sends `token` with its proof to `url`. Both are in a here-document, and curl reads them from standard
/// input: other users of the machine see the arguments of a command.
pub(crate) fn curl_with_proof(method: &str, url: &str, token: Option<&str>, proof: &str) -> String {
    let method = match method {
        "GET" => String::new(),
        "HEAD" => "--head ".to_owned(),
        method => format!("-X {} ", quoted(method)),
    };
    let authorization = token.map(|token| format!("Authorization: DPoP {token}\n")).unwrap_or_default();
    format!("curl -i {method}{} -H @- <<'END'\n{authorization}DPoP: {proof}\nEND", quoted(url))
}

/// `text` quoted as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
