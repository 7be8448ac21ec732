//! `countersign bundle diff`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use super::read::read_document;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};

/// Compare the policies of two bundles or policy files.
#[derive(Args)]
pub(super) struct Arguments {
    /// A bundle, or a policy in TOML or JSON
    #[arg(value_name = "OLD")]
    old: String,
    /// Another one
    #[arg(value_name = "NEW")]
    new: String,
    /// Print one JSON object: equal, and changes with path, old and new
    #[arg(long)]
    json: bool,
}

/// A field that differs.
struct Change {
    path: String,
    old: Option<Value>,
    new: Option<Value>,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let mut changes = Vec::new();
        compare("", Some(&tree(&self.old)?), Some(&tree(&self.new)?), &mut changes);
        let exit = if changes.is_empty() { Exit::Done } else { Exit::Rejected };
        if self.json {
            let shown =
                changes.iter().map(|change| json!({ "path": change.path, "old": change.old, "new": change.new }));
            output::json(&json!({ "equal": changes.is_empty(), "changes": shown.collect::<Vec<_>>() }))?;
            return Ok(exit);
        }
        if changes.is_empty() {
            output::line(&toned(Tone::Good, "the policies are equal"))?;
        }
        for Change { path, old, new } in &changes {
            let (tone, line) = match (old, new) {
                (None, Some(new)) => (Tone::Good, format!("+ {path}: {new}")),
                (Some(old), None) => (Tone::Bad, format!("- {path}: {old}")),
                (old, new) => {
                    let text = |value: &Option<Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
                    (Tone::Doubt, format!("~ {path}: {} -> {}", text(old), text(new)))
                }
            };
            output::line(&toned(tone, &output::safe(&line)))?;
        }
        Ok(exit)
    }
}

/// The policy of a file as a tree, in which each issuer has its name instead of its place.
fn tree(path: &str) -> Result<Value, Failure> {
    let policy = read_document(path)?.policy;
    let mut tree: Value = serde_json::from_str(&policy.to_json()).unwrap_or_default();
    for (section, name) in [("issuers", "issuer"), ("outbound", "origin")] {
        let Some(entries) = tree.get(section).and_then(Value::as_array) else { continue };
        let named: serde_json::Map<String, Value> =
            entries.iter().filter_map(|entry| Some((entry.get(name)?.as_str()?.to_owned(), entry.clone()))).collect();
        if named.len() == entries.len() {
            tree[section] = Value::Object(named);
        }
    }
    Ok(tree)
}

fn compare(path: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (old, new) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path} / {name}") };
            compare(&path, before.get(name), after.get(name), changes);
        }
        return;
    }
    changes.push(Change { path: path.to_owned(), old: old.cloned(), new: new.cloned() });
}
