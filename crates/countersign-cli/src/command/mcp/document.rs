//! The metadata of a server (RFC 9728).

use countersign::integration::unexpected_form;
use reqwest::Url;
use serde_json::Value;

use super::challenge::Challenge;
use super::endpoint::Endpoint;
use super::findings::{Findings, listed};
use crate::fetch::{self, Fetched};
use crate::output;

/// The well-known path of the document (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The examined authorization servers of one server.
const MAX_SERVERS: usize = 5;

/// The members of the document that are used.
pub(super) struct Document {
    pub(super) authorization_servers: Vec<String>,
}

/// Finds the document where clients look: at the address in the challenge, or else at the well-known addresses.
pub(super) async fn find(endpoint: &Endpoint<'_>, challenge: &Challenge, found: &mut Findings) -> Option<Document> {
    let inserted = well_known(&endpoint.url, endpoint.url.path(), endpoint.url.query());
    let Some(named) = &challenge.metadata else {
        return probe(endpoint, &inserted, found).await;
    };
    let address = found.address("resource_metadata", "resource_metadata", named, &endpoint.url)?;
    if address.origin() != endpoint.url.origin() {
        let text = format!("the metadata is at {address}, on another origin than the server");
        found.warning("metadata_origin", text, format!("serve it at {inserted}; some clients fetch it nowhere else"));
    } else if address != inserted {
        let text = format!("the metadata is at {address}; without a challenge, clients ask {inserted}");
        found.warning("metadata_address", text, format!("serve it at {inserted} (RFC 9728 section 3.1)"));
    }
    match fetch::get(endpoint.connection, &address).await {
        Ok(answer) => read(endpoint, &address, &answer, found),
        Err(problem) => {
            found.unreachable(&address, &problem);
            None
        }
    }
}

/// Asks the well-known addresses.
async fn probe(endpoint: &Endpoint<'_>, inserted: &Url, found: &mut Findings) -> Option<Document> {
    let mut why = Vec::new();
    let root = well_known(&endpoint.url, "", None);
    let candidates = if root == *inserted { vec![root] } else { vec![inserted.clone(), root] };
    for address in candidates {
        match fetch::get(endpoint.connection, &address).await {
            Ok(answer) if answer.status == 200 => return read(endpoint, &address, &answer, found),
            Ok(answer) => why.push(format!("{address}: {}", answer.status_text())),
            Err(problem) => why.push(format!("{address}: {problem}")),
        }
    }
    let text = format!("no metadata: {}", why.join("; "));
    found.fault("metadata", text, "serve the document, and name it in the challenge");
    None
}

fn read(endpoint: &Endpoint<'_>, address: &Url, answer: &Fetched, found: &mut Findings) -> Option<Document> {
    found.metadata = Some(address.to_string());
    let remedy = "serve the document to everybody, as application/json";
    if answer.status != 200 {
        found.fault("metadata", format!("{address}: {}", answer.status_text()), remedy);
        return None;
    }
    let json = serde_json::from_slice::<Value>(&answer.body).ok().filter(|json| json.is_object() && !answer.is_cut);
    let Some(json) = json else {
        let form = unexpected_form(&answer.headers, &answer.body).unwrap_or("not one JSON object of at most 256 KiB");
        found.fault("metadata", format!("{address}: {form}"), remedy);
        return None;
    };
    if !answer.header("content-type").unwrap_or_default().starts_with("application/json") {
        let text =
            format!("{} is the type of the metadata", output::quoted(answer.header("content-type").unwrap_or("")));
        found.warning("metadata_type", text, remedy);
    }
    found.ok("metadata", address.as_str());
    resource(endpoint, &json, found);
    lists(&json, found);
    servers(&json, found).map(|authorization_servers| Document { authorization_servers })
}

/// The identifier must be the address: tokens are requested for it.
fn resource(endpoint: &Endpoint<'_>, json: &Value, found: &mut Findings) {
    let url = &endpoint.url;
    let remedy = format!("set the resource identifier {url}, and let clients call exactly that");
    let Some(resource) = json["resource"].as_str() else {
        return found.fault("resource", "the metadata has no resource", remedy);
    };
    match Url::parse(resource) {
        Ok(named) if named == *url => found.ok("resource", output::word(resource)),
        Ok(named) if named.origin() == url.origin() && is_below(url.path(), named.path()) => {
            let text =
                format!("{} is wider than {url}: a token for it opens every server below", output::word(resource));
            found.warning("resource", text, remedy);
        }
        _ => {
            let text = format!("{} is not the address {url}: clients refuse it", output::word(resource));
            found.fault("resource", text, remedy);
        }
    }
}

fn lists(json: &Value, found: &mut Findings) {
    match strings(&json["scopes_supported"]) {
        None => {
            let remedy = "list the scopes that basic use needs";
            found.warning("scopes_supported", "the metadata has no scopes_supported", remedy);
        }
        Some(scopes) => {
            found.ok("scopes_supported", listed(&scopes));
            found.offline_access(&scopes, "scopes_supported");
        }
    }
    match strings(&json["bearer_methods_supported"]) {
        Some(methods) if methods == ["header"] => {}
        None => {
            let text = "the metadata does not say where tokens are taken";
            found.warning("bearer_methods", text, "set bearer_methods_supported to [\"header\"]");
        }
        Some(methods) => {
            let text = format!("bearer_methods_supported is {}: tokens stand in the header only", listed(&methods));
            found.fault("bearer_methods", text, "accept tokens in the header only, and list only header");
        }
    }
}

fn servers(json: &Value, found: &mut Findings) -> Option<Vec<String>> {
    let mut servers = strings(&json["authorization_servers"]).unwrap_or_default();
    if servers.is_empty() {
        let text = "the metadata names no authorization server: clients do not know where to log in";
        found.fault("authorization_servers", text, "list the issuer of the accepted tokens");
        return None;
    }
    if servers.len() > MAX_SERVERS {
        let text = format!("{} authorization servers; the first {MAX_SERVERS} are examined", servers.len());
        found.warning("authorization_servers", text, "most clients use the first: list few");
        servers.truncate(MAX_SERVERS);
    }
    Some(servers)
}

/// The list of texts; `None` for anything else.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// The well-known address for this path and query of `url`.
fn well_known(url: &Url, path: &str, query: Option<&str>) -> Url {
    let mut at = url.clone();
    at.set_path(&format!("{WELL_KNOWN}{}", if path == "/" { "" } else { path }));
    at.set_query(query);
    at
}

/// Returns whether `path` is below `parent`. A last slash makes another path, and none below.
fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent.trim_end_matches('/')).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}
