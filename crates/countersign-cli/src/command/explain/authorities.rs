//! The authorities of the caller, and the parts of a requirement that they do not meet.

use countersign::authz::{Grants, Requirement};
use countersign::claims::TenantId;
use countersign::verify::Verified;
use serde_json::{Value, json};

use crate::output;
use crate::verification::authority_lists;

pub(super) fn as_json(caller: &Grants) -> Value {
    let mut json = json!({ "tenant": caller.tenant.as_ref().map(TenantId::as_str) });
    for list in authority_lists(caller) {
        json[list.title] = json!(list.names);
    }
    json
}

/// One line: `scopes orders:read; roles clerk; tenant acme`. Names that are not one word are quoted.
pub(super) fn text(caller: &Grants) -> String {
    let lists = authority_lists(caller).into_iter().filter(|list| !list.names.is_empty() || list.kind == "role");
    let lists = lists.map(|list| format!("{} {}", list.title, listed(&list.names)));
    let tenant = caller.tenant.as_ref().map_or_else(|| "none".to_owned(), |tenant| output::word(tenant.as_str()));
    lists.chain([format!("tenant {tenant}")]).collect::<Vec<_>>().join("; ")
}

/// The parts of `rule` that the caller does not meet, in words. Parts about the request are left out: only the service can
/// evaluate them.
pub(super) fn unmet(rule: &Requirement, caller: &Verified) -> Vec<String> {
    let explanation = caller.explain(rule);
    explanation.unmet().iter().filter(|part| !part.needs_request()).map(ToString::to_string).collect()
}

fn listed(names: &[&str]) -> String {
    let words: Vec<String> = names.iter().map(|name| output::word(name)).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}
