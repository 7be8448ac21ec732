//! The authorities of the caller, and the parts of a requirement that they do not meet.

use countersign::authz::Grants;
use countersign::claims::TenantId;
use serde_json::{Value, json};

use crate::verification::{AuthorityList, authority_lists};

pub(super) fn as_json(caller: &Grants) -> Value {
    let mut json = json!({ "tenant": caller.tenant.as_ref().map(TenantId::as_str) });
    for list in authority_lists(caller) {
        json[list.title] = json!(list.names);
    }
    json
}

/// One line: `scopes orders:read; roles clerk; tenant acme`.
pub(super) fn text(caller: &Grants) -> String {
    let lists = authority_lists(caller).into_iter().filter(|list| !list.names.is_empty() || list.kind == "role");
    let lists = lists.map(|list| format!("{} {}", list.title, listed(&list.names)));
    let tenant = caller.tenant.as_ref().map_or("none", TenantId::as_str);
    lists.chain([format!("tenant {tenant}")]).collect::<Vec<_>>().join("; ")
}

/// The parts of `rule`, a requirement as data, that need a name which the caller does not have. Parts about the request are
/// left out: only the service can evaluate them.
pub(super) fn unmet(rule: &Value, caller: &Grants) -> Vec<String> {
    let Some((kind, argument)) = rule.as_object().and_then(|object| object.iter().next()) else { return Vec::new() };
    let parts = || argument.as_array().into_iter().flatten().map(|part| unmet(part, caller));
    match kind.as_str() {
        "all_of" => parts().flatten().collect(),
        "hidden" => unmet(argument, caller),
        "any_of" => {
            let parts: Vec<Vec<String>> = parts().collect();
            let is_met = parts.is_empty() || parts.iter().any(Vec::is_empty);
            if is_met { Vec::new() } else { vec![format!("one of: {}", parts.concat().join("; "))] }
        }
        kind => authority_lists(caller)
            .into_iter()
            .find(|list| list.kind == kind)
            .zip(argument.as_str())
            .filter(|(list, wanted)| !list.names.contains(wanted))
            .map(|(list, wanted)| missing(&list, wanted))
            .into_iter()
            .collect(),
    }
}

fn missing(AuthorityList { kind, title, names }: &AuthorityList<'_>, wanted: &str) -> String {
    let similar = names.iter().find(|name| name.eq_ignore_ascii_case(wanted));
    let hint = similar.map(|name| format!("; {name} differs only by case")).unwrap_or_default();
    format!("{kind} {wanted} (the caller has {title} {}{hint})", listed(names))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}
