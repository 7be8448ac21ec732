//! The challenge of a 403, by which clients request more scopes.

use countersign::inspect::inspect;
use countersign::integration::challenge_parameters;
use countersign::secret::Secret;
use serde_json::Value;

use super::endpoint::{Challenge, of, scopes};
use super::findings::{Findings, listed};
use crate::fetch::Fetched;

/// Notes what the challenge of a 403 to `token` has and lacks, beside the one of the 401.
pub(super) fn forbidden(
    answer: &Fetched,
    what: &str,
    (token, unauthorized): (&Secret<String>, &Challenge),
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
    match (of(&parameters, "resource_metadata"), &unauthorized.metadata) {
        (None, _) => {
            let text = format!("403 for {what} names no resource_metadata");
            found.warning("forbidden_metadata", text, "add the address of the metadata document, as in the 401");
        }
        (Some(named), Some(known)) if named != *known => {
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
