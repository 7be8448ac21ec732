//! The challenges of a server: by that of a 401 clients find where to log in, by that of a 403 they request more scopes.

use countersign::inspect::inspect;
use countersign::integration::challenge_parameters;
use countersign::secret::Secret;
use serde_json::Value;

use super::findings::{Findings, listed};
use crate::fetch::Fetched;
use crate::output;

/// The challenge of a 401 without a token.
#[derive(Default)]
pub(super) struct Challenge {
    /// The address of the metadata.
    pub(super) metadata: Option<String>,
    pub(super) scopes: Vec<String>,
}

/// Notes what the challenge of a 401 without a token lacks.
pub(super) fn unauthorized(answer: &Fetched, parameters: &[(String, String)], found: &mut Findings) {
    if parameters.is_empty() {
        let sent = answer.header("www-authenticate").map_or_else(|| "nothing".to_owned(), output::quoted);
        let text = format!("no challenge of the scheme Bearer with parameters, but {sent}");
        let remedy = "answer WWW-Authenticate: Bearer resource_metadata=\"…\", scope=\"…\"";
        return found.fault("challenge", text, remedy);
    }
    if of(parameters, "resource_metadata").is_none() {
        let text = "the challenge names no resource_metadata: clients of revision 2025-06-18 look nowhere else";
        found.fault("resource_metadata", text, "add the address of the metadata document to the challenge");
    }
    let scopes = scopes(parameters);
    if scopes.is_empty() {
        let text = "the challenge names no scope: clients request all of scopes_supported";
        found.warning("scope", text, "add the scopes that the endpoint needs at least");
    } else {
        found.ok("scope", format!("needed at least: {}", listed(&scopes)));
    }
    found.offline_access(&scopes, "the challenge");
    if let Some(error) = of(parameters, "error") {
        let text = format!("the challenge has error={}, though no token was sent", output::word(&error));
        found.warning(
            "error",
            text,
            "leave error out of the answer to a request without a token (RFC 6750 section 3.1)",
        );
    }
}

/// Notes what the challenge of a 403 to `token` has and lacks, beside the one of the 401.
pub(super) fn forbidden(
    answer: &Fetched,
    what: &str,
    (token, known): (&Secret<String>, &Challenge),
    found: &mut Findings,
) {
    let parameters = challenge_parameters(&answer.headers, "Bearer");
    if of(&parameters, "error").as_deref() != Some("insufficient_scope") {
        let text = format!("403 for {what} without insufficient_scope: clients do not request more");
        return found.ok("forbidden", text);
    }
    let needed = scopes(&parameters);
    if needed.is_empty() {
        let text = format!("403 for {what} does not name the missing scopes: clients cannot request them");
        found.fault("forbidden_scope", text, "list all scopes of the operation in the parameter scope");
    } else if has_all(token, &needed) {
        let text = format!(
            "403 for {what} needs {}, which the token has: clients request them again in vain",
            listed(&needed)
        );
        let remedy = "if a scope is missing, name it; if something else is, leave out error=\"insufficient_scope\"";
        found.fault("forbidden_granted", text, remedy);
    } else {
        found.ok("forbidden", format!("403 for {what}; it needs: {}", listed(&needed)));
    }
    match (of(&parameters, "resource_metadata"), &known.metadata) {
        (None, _) => {
            let text = format!("403 for {what} names no resource_metadata");
            found.warning("forbidden_metadata", text, "add the address of the metadata document, as in the 401");
        }
        (Some(named), Some(first)) if named != *first => {
            let text = format!("403 for {what} names another resource_metadata than the 401");
            found.fault("forbidden_metadata", text, "name the same document in both");
        }
        _ => {}
    }
    found.offline_access(&needed, "the 403");
}

/// Returns whether the token can be read and has all these scopes.
fn has_all(token: &Secret<String>, needed: &[String]) -> bool {
    let inspection = inspect(token.expose());
    let granted = inspection.payload().and_then(|claims| claims.get("scope").or_else(|| claims.get("scp")));
    let granted: Vec<&str> = match granted {
        Some(Value::String(names)) => names.split_ascii_whitespace().collect(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    needed.iter().all(|scope| granted.contains(&scope.as_str()))
}

pub(super) fn of(parameters: &[(String, String)], name: &str) -> Option<String> {
    parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

pub(super) fn scopes(parameters: &[(String, String)]) -> Vec<String> {
    of(parameters, "scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}
