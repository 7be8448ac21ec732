//! Findings about an issuer's documents.

use std::collections::BTreeMap;

use countersign::integration::{fresh_for, unexpected_form};
use countersign::key::SkippedKey;
use countersign::keys::RefreshPolicy;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::super::level::Level;
use super::target::{Form, Location, Target};
use crate::fetch::{self, Fetched};
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

impl Findings {
    fn note(&mut self, level: Level, name: &'static str, text: impl Into<String>) {
        self.list.push(Finding { level, name, text: output::safe(&text.into()) });
    }

    /// Examines the keys of `target`.
    pub(super) async fn of(target: &Target) -> Self {
        let mut findings = Findings::default();
        match &target.location {
            Location::Either => findings.either(target).await,
            Location::Discovery => {
                if let Some(address) = findings.address(target, "issuer", &target.name) {
                    findings.by_discovery(target, &address, None).await;
                }
            }
            Location::KeySet(url, form) => {
                findings.jwks_uri = Some(url.clone());
                if let Some(url) = findings.address(target, "jwks_uri", url) {
                    findings.fetched_set(target, &url, *form).await;
                }
            }
            Location::Text(text, origin, form) => {
                findings.note(Level::Ok, "location", origin.as_str());
                findings.keys(text.as_bytes(), &HeaderMap::new(), *form);
            }
            Location::Elsewhere(why) => findings.note(Level::Warning, "location", *why),
        }
        findings
    }

    /// The address that `text` is, or a fault.
    fn address(&mut self, target: &Target, name: &'static str, text: &str) -> Option<Url> {
        match fetch::address_within(text, target.allows_plain_http) {
            Ok(url) => Some(url),
            Err(_) if !text.contains("://") => {
                let text =
                    format!("{} is relative; it must be a whole URL that begins with https://", output::word(text));
                self.note(Level::Fault, name, text);
                None
            }
            Err(failure) => {
                self.note(Level::Fault, name, failure.to_string());
                None
            }
        }
    }

    /// Examines a key set, or the metadata of an issuer.
    async fn either(&mut self, target: &Target) {
        let Some(address) = self.address(target, "issuer", &target.name) else { return };
        match fetch::get(&target.connection, &address).await {
            Ok(answer) if has_keys(&answer) => {
                self.jwks_uri = Some(address.to_string());
                self.key_set(&answer, Form::Jwks);
            }
            Ok(answer) if answer.status == 200 => {
                let form = unexpected_form(&answer.headers, &answer.body);
                let form = form.unwrap_or("not a JWK Set (no object with an array keys)");
                self.by_discovery(target, &address, Some(format!("{address}: {form}"))).await;
            }
            _ => self.by_discovery(target, &address, None).await,
        }
    }

    /// `first` states what came from the address itself, if that was odd.
    async fn by_discovery(&mut self, target: &Target, address: &Url, first: Option<String>) {
        let is_set_possible = matches!(target.location, Location::Either);
        let mut why = Vec::from_iter(first);
        for document in metadata_addresses(address) {
            match fetch::get(&target.connection, &document).await {
                Ok(answer) if answer.status == 200 => {
                    return self.metadata(target, address, &document, &answer).await;
                }
                Ok(answer) => why.push(format!("{document}: {}", answer.status_text())),
                Err(problem) => why.push(format!("{document}: {problem}")),
            }
        }
        self.is_unreachable = true;
        let missing = if is_set_possible { "neither a key set nor metadata" } else { "no metadata" };
        self.note(Level::Fault, "reachable", format!("{missing}: {}", why.join("; ")));
    }

    async fn metadata(&mut self, target: &Target, address: &Url, document: &Url, answer: &Fetched) {
        self.note(Level::Ok, "discovery", document.as_str());
        let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else {
            let form = unexpected_form(&answer.headers, &answer.body).unwrap_or("not JSON");
            return self.note(Level::Fault, "discovery", format!("the metadata is {form}"));
        };
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        self.issuer = text("issuer").map(str::to_owned);
        let asked = target.name.as_str();
        let bare = |name: &str| name.trim_end_matches('/').to_owned();
        match text("issuer") {
            None => self.note(Level::Fault, "issuer", "issuer is missing from the metadata"),
            Some(issuer) if address == document && issuer != asked => {
                let text = format!(
                    "{asked} is the discovery document: the issuer, as services and policies name it, is {}",
                    output::word(issuer)
                );
                self.note(Level::Warning, "issuer", text);
            }
            Some(issuer) if issuer == asked => {
                self.note(
                    Level::Ok,
                    "issuer",
                    format!("{}: iss in tokens must equal this exactly", output::word(issuer)),
                );
            }
            Some(issuer) if bare(issuer) == bare(asked) => {
                let found = output::word(issuer);
                let text =
                    format!("expected {asked}, found {found}: the last slash is part of the name; services refuse it");
                self.note(Level::Fault, "issuer", text);
            }
            Some(issuer) => {
                let text = format!("expected {asked}, found {}: services refuse it", output::word(issuer));
                self.note(Level::Fault, "issuer", text);
            }
        }
        let Some(uri) = text("jwks_uri") else {
            return self.note(Level::Fault, "jwks_uri", "jwks_uri is missing from the metadata");
        };
        self.jwks_uri = Some(uri.to_owned());
        let Some(uri) = self.address(target, "jwks_uri", uri) else { return };
        let is_local = |url: &Url| fetch::is_loopback(url.host_str().unwrap_or_default());
        if is_local(&uri) && !is_local(document) {
            let text = format!("{uri}: on loopback, though the issuer is not; services refuse it");
            return self.note(Level::Fault, "jwks_uri", text);
        }
        self.fetched_set(target, &uri, Form::Jwks).await;
    }

    async fn fetched_set(&mut self, target: &Target, uri: &Url, form: Form) {
        match fetch::get(&target.connection, uri).await {
            Ok(keys) if keys.status == 200 => self.key_set(&keys, form),
            Ok(keys) => self.note(Level::Fault, "reachable", format!("{uri}: {}", keys.status_text())),
            Err(problem) => {
                self.is_unreachable = true;
                self.note(Level::Fault, "reachable", format!("{uri}: {problem}"));
            }
        }
    }

    /// Examines the response with a key set.
    fn key_set(&mut self, answer: &Fetched, form: Form) {
        self.note(Level::Ok, "reachable", format!("{} bytes", answer.body.len()));
        if answer.is_cut {
            self.note(Level::Fault, "size", "larger than 256 KiB, the maximum that services read");
        }
        self.clock(answer);
        self.cache(answer);
        let kind = answer.header("content-type").unwrap_or_default();
        if !kind.contains("json") {
            self.note(
                Level::Warning,
                "content_type",
                format!("{} where application/jwk-set+json is usual", output::quoted(kind)),
            );
        }
        self.keys(&answer.body, &answer.headers, form);
    }

    /// Examines the keys of a set.
    fn keys(&mut self, body: &[u8], headers: &HeaderMap, form: Form) {
        let set = match form.read(body) {
            Ok(set) => set,
            Err(rejected) => {
                self.skipped(rejected.skipped());
                let form = unexpected_form(headers, body);
                let text = form.map_or_else(|| rejected.to_string(), |form| format!("not a key set, but {form}"));
                return self.note(Level::Fault, "keys", text);
            }
        };
        self.skipped(set.skipped());
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for key in set.keys() {
            for problem in key.irregularities() {
                let name = output::word(key.key_id().unwrap_or(key.thumbprint()));
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
                    self.note(
                        Level::Warning,
                        "duplicate_kid",
                        format!("{count} keys have the kid {}", output::word(name)),
                    );
                }
            }
        }
        self.unlabelled(body);
        let usable = set.len();
        self.note(if usable == 0 { Level::Fault } else { Level::Ok }, "keys", format!("{usable} usable"));
    }

    fn skipped(&mut self, skipped: &[SkippedKey]) {
        for skipped in skipped {
            let (level, name) = match (skipped.is_private_key, skipped.is_for_encryption) {
                (true, _) => (Level::Fault, "unusable_key"),
                (false, true) => (Level::Ok, "other_key"), // many providers publish one
                (false, false) => (Level::Warning, "unusable_key"),
            };
            self.note(level, name, skipped.to_string());
        }
    }

    /// RSA keys without `alg` count as RS256 (Entra publishes such keys).
    fn unlabelled(&mut self, body: &[u8]) {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
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
