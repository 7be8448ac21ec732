//! Warnings about files that a policy names and that cannot be read here. A service reads them when it needs them; those of
//! connections are read when it starts, and are faults.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use countersign::policy::{KeysConfig, Policy};
use serde_json::{Value, json};

/// A warning for each file that does not exist, is empty or cannot be opened, with the field that names it.
pub(super) fn warnings(policy: &Policy) -> Vec<Value> {
    let named = files(policy).into_iter().filter_map(|(field, path)| Some((field, problem(path)?)));
    named.map(|(field, problem)| json!({ "field": field, "problem": problem })).collect()
}

/// The files that the policy names. The part of the policy is before the field.
fn files(policy: &Policy) -> Vec<(String, &str)> {
    let mut files: Vec<(String, &str)> = Vec::new();
    for issuer in &policy.issuers {
        let part = format!("{}: ", issuer.issuer);
        match &issuer.keys {
            KeysConfig::File(path) => files.push((format!("{part}keys.file"), path)),
            KeysConfig::SpiffeBundleFile(path) => files.push((format!("{part}keys.spiffe_bundle_file"), path)),
            _ => {}
        }
    }
    for binding in &policy.outbound {
        let part = format!("{}: ", binding.origin);
        let fields = [
            ("secret_file", &binding.secret_file),
            ("key_file", &binding.key_file),
            ("certificate_file", &binding.certificate_file),
            ("dpop_key_file", &binding.dpop_key_file),
            ("token_file", &binding.token_file),
        ];
        let named = fields.into_iter().filter_map(|(field, path)| Some((format!("{part}{field}"), path.as_deref()?)));
        files.extend(named);
    }
    if let Some(KeysConfig::File(path)) = policy.transactions.as_ref().map(|service| &service.keys) {
        files.push(("transactions: keys.file".to_owned(), path));
    }
    if let Some(asking) = &policy.introspection {
        let fields = [("secret_file", &asking.secret_file), ("key_file", &asking.key_file)];
        files.extend(
            fields.into_iter().filter_map(|(field, path)| Some((format!("introspection: {field}"), path.as_deref()?))),
        );
    }
    files
}

/// The reason why a service here could not use the file. A pipe is not opened: it would wait for a writer.
fn problem(path: &str) -> Option<String> {
    let from = if Path::new(path).is_relative() { ", looked up from the current folder," } else { "" };
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        ErrorKind::PermissionDenied => "cannot be read by this user".to_owned(),
        _ => "cannot be read".to_owned(),
    };
    let problem = match std::fs::metadata(path) {
        Err(error) => unreadable(error),
        Ok(about) if !about.is_file() => "is not a regular file".to_owned(),
        Ok(about) if about.len() == 0 => "is empty".to_owned(),
        Ok(_) => File::open(path).err().map(unreadable)?,
    };
    Some(format!("the file {path}{from} {problem}"))
}
