//! Findings about an issuer's documents.

use std::collections::BTreeMap;

use countersign::integration::{fresh_for, unexpected_form};
use countersign::key::{KeySet, SkippedKey};
use countersign::keys::RefreshPolicy;
use reqwest::Url;
use serde_json::{Value, json};

use crate::fetch::{self, ConnectionOptions, Fetched};
use crate::output;

/// Reported clock difference, in seconds: half of the default leeway.
const CLOCK_TOLERANCE: i64 = 15;

/// Well-known paths of an issuer's metadata (OpenID Connect, RFC 8414).
const WELL_KNOWN: [&str; 2] = ["openid-configuration", "oauth-authorization-server"];

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) issuer: Option<String>,
    pub(super) jwks_uri: Option<String>,
    pub(super) keys: Vec<Value>,
    pub(super) list: Vec<Finding>,
    pub(super) clock_difference: Option<i64>,
    pub(super) fresh_for: Option<u64>,
    /// True if nothing could be fetched.
    pub(super) is_unreachable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) name: &'static str,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    Warning,
    Fault,
}

impl Findings {
    fn note(&mut self, level: Level, name: &'static str, text: impl Into<String>) {
        self.list.push(Finding { level, name, text: output::safe(&text.into()) });
    }

    /// Examines `address`: a key set, or an issuer whose metadata names one.
    pub(super) async fn of(connection: &ConnectionOptions, address: &Url) -> Self {
        let mut findings = Findings::default();
        match fetch::get(connection, address).await {
            Ok(answer) if has_keys(&answer) => {
                findings.jwks_uri = Some(address.to_string());
                findings.key_set(&answer);
            }
            Ok(answer) if answer.status == 200 => {
                let form = unexpected_form(&answer.headers, &answer.body);
                let form = form.unwrap_or("not a JWK Set (no object with an array keys)");
                findings.by_discovery(connection, address, Some(format!("{address}: {form}"))).await;
            }
            _ => findings.by_discovery(connection, address, None).await,
        }
        findings
    }

    /// `first` states what came from the address itself, if that was odd.
    async fn by_discovery(&mut self, connection: &ConnectionOptions, address: &Url, first: Option<String>) {
        let mut why = Vec::from_iter(first);
        for document in metadata_addresses(address) {
            match fetch::get(connection, &document).await {
                Ok(answer) if answer.status == 200 => {
                    return self.metadata(connection, address, &document, &answer).await;
                }
                Ok(answer) => why.push(format!("{document}: {}", answer.status_text())),
                Err(problem) => why.push(format!("{document}: {problem}")),
            }
        }
        self.is_unreachable = true;
        self.note(Level::Fault, "reachable", format!("neither a key set nor metadata: {}", why.join("; ")));
    }

    async fn metadata(&mut self, connection: &ConnectionOptions, address: &Url, document: &Url, answer: &Fetched) {
        self.note(Level::Ok, "discovery", document.as_str());
        let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else {
            let form = unexpected_form(&answer.headers, &answer.body).unwrap_or("not JSON");
            return self.note(Level::Fault, "discovery", format!("the metadata is {form}"));
        };
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        self.issuer = text("issuer").map(str::to_owned);
        let asked = address.as_str().trim_end_matches('/');
        let is_document = address == document;
        match text("issuer") {
            None => self.note(Level::Fault, "issuer", "issuer is missing from the metadata"),
            Some(issuer) if is_document || issuer == address.as_str() || issuer == asked => {
                self.note(Level::Ok, "issuer", format!("{issuer}: iss in tokens must equal this exactly"));
            }
            Some(issuer) if issuer.trim_end_matches('/') == asked => {
                self.note(Level::Warning, "issuer", format!("{issuer}: the trailing slash is part of the name"));
            }
            Some(issuer) => {
                self.note(Level::Fault, "issuer", format!("expected {asked}, found {issuer}: services refuse it"));
            }
        }
        let Some(uri) = text("jwks_uri") else {
            return self.note(Level::Fault, "jwks_uri", "jwks_uri is missing from the metadata");
        };
        self.jwks_uri = Some(uri.to_owned());
        let uri = match fetch::address(uri) {
            Ok(uri) => uri,
            Err(_) if !uri.contains("://") => {
                let text = format!("{uri} is relative; it must be a whole URL that begins with https://");
                return self.note(Level::Fault, "jwks_uri", text);
            }
            Err(failure) => return self.note(Level::Fault, "jwks_uri", failure.to_string()),
        };
        let is_local = |url: &Url| fetch::is_loopback(url.host_str().unwrap_or_default());
        if is_local(&uri) && !is_local(document) {
            let text = format!("{uri}: on loopback, though the issuer is not; services refuse it");
            return self.note(Level::Fault, "jwks_uri", text);
        }
        match fetch::get(connection, &uri).await {
            Ok(keys) if keys.status == 200 => self.key_set(&keys),
            Ok(keys) => self.note(Level::Fault, "reachable", format!("{uri}: {}", keys.status_text())),
            Err(problem) => {
                self.is_unreachable = true;
                self.note(Level::Fault, "reachable", format!("{uri}: {problem}"));
            }
        }
    }

    fn key_set(&mut self, answer: &Fetched) {
        self.note(Level::Ok, "reachable", format!("{} bytes", answer.body.len()));
        if answer.is_cut {
            self.note(Level::Fault, "size", "larger than 256 KiB, the maximum that services read");
        }
        self.clock(answer);
        self.cache(answer);
        let kind = answer.header("content-type").unwrap_or_default();
        if !kind.contains("json") {
            self.note(Level::Warning, "content_type", format!("\"{kind}\" where application/jwk-set+json is usual"));
        }
        let set = match KeySet::from_jwks(&answer.body) {
            Ok(set) => set,
            Err(rejected) => {
                self.skipped(rejected.skipped());
                let form = unexpected_form(&answer.headers, &answer.body);
                let text = form.map_or_else(|| rejected.to_string(), |form| format!("not a key set, but {form}"));
                return self.note(Level::Fault, "keys", text);
            }
        };
        self.skipped(set.skipped());
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for key in set.keys() {
            for problem in key.irregularities() {
                let name = key.key_id().unwrap_or(key.thumbprint());
                self.note(Level::Warning, "irregular_key", format!("{name}: {problem}; services use it"));
            }
            self.keys.push(json!({
                "kid": key.key_id(), "alg": key.algorithm().name(), "thumbprint": key.thumbprint(),
            }));
            *names.entry(key.key_id().unwrap_or_default().to_owned()).or_default() += 1;
        }
        for (name, count) in names {
            match (name.as_str(), count) {
                ("", 1) if set.len() == 1 => {
                    self.note(Level::Warning, "kid", "the only key lacks a kid: rotation will be difficult");
                }
                ("", count) => self.note(Level::Warning, "kid", format!("{count} keys without kid beside others")),
                (_, 1) => {}
                (name, count) => {
                    self.note(Level::Warning, "duplicate_kid", format!("{count} keys have the kid {name}"));
                }
            }
        }
        self.unlabelled(answer);
        let usable = set.len();
        self.note(if usable == 0 { Level::Fault } else { Level::Ok }, "keys", format!("{usable} usable"));
    }

    fn skipped(&mut self, skipped: &[SkippedKey]) {
        for skipped in skipped {
            let level = if skipped.is_private_key { Level::Fault } else { Level::Warning };
            self.note(level, "unusable_key", skipped.to_string());
        }
    }

    /// RSA keys without `alg` count as RS256 (Entra publishes such keys).
    fn unlabelled(&mut self, answer: &Fetched) {
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let entries = json.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_open = |entry: &&Value| entry["kty"] == "RSA" && entry.get("alg").is_none();
        let count = entries.iter().filter(is_open).count();
        if count > 0 {
            self.note(Level::Warning, "alg", format!("{count} RSA keys without alg count as RS256"));
        }
    }

    fn clock(&mut self, answer: &Fetched) {
        let date = answer.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let theirs = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        let Some(theirs) = theirs.and_then(|theirs| i64::try_from(theirs.as_secs()).ok()) else { return };
        let difference = theirs.saturating_sub(answer.at);
        self.clock_difference = Some(difference);
        if difference.abs() > CLOCK_TOLERANCE {
            self.note(
                Level::Warning,
                "clock",
                format!("its clock differs by {difference} s; tokens have 30 s of leeway"),
            );
        }
    }

    /// Reports how long services use the key set, which they read from the same headers with the same code.
    fn cache(&mut self, answer: &Fetched) {
        let stated = fresh_for(&answer.headers).map(|fresh| fresh.as_secs());
        let limits = RefreshPolicy::default();
        let (shortest, longest) = (limits.min_lifetime.as_secs(), limits.max_lifetime.as_secs());
        self.fresh_for = stated;
        match stated {
            None => {
                let default = limits.default_lifetime.as_secs() / 60;
                self.note(
                    Level::Warning,
                    "cache",
                    format!("no lifetime in Cache-Control or Expires; services cache the keys for {default} min"),
                );
            }
            Some(seconds) if seconds < shortest => {
                let text = format!("fresh for {seconds} s; services cache the keys for {} min", shortest / 60);
                self.note(Level::Warning, "cache", text);
            }
            Some(seconds) if seconds > longest => {
                let text = format!("fresh for {seconds} s; services cache the keys for {} h", longest / 3600);
                self.note(Level::Warning, "cache", text);
            }
            Some(seconds) => self.note(Level::Ok, "cache", format!("fresh for {seconds} s")),
        }
    }
}

fn has_keys(answer: &Fetched) -> bool {
    let json = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    answer.status == 200 && json.get("keys").is_some()
}

/// The URLs of an issuer's metadata: after its path (OpenID Connect), or between host and path (RFC 8414).
fn metadata_addresses(issuer: &Url) -> Vec<Url> {
    if issuer.path().contains("/.well-known/") {
        return vec![issuer.clone()];
    }
    let path = issuer.path().trim_end_matches('/');
    let [openid, oauth] = WELL_KNOWN;
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    vec![at(format!("{path}/.well-known/{openid}")), at(format!("/.well-known/{oauth}{path}"))]
}
