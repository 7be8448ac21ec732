//! The metadata of an authorization server (RFC 8414, OpenID Connect Discovery), as clients of the protocol use it.

use reqwest::Url;
use serde_json::Value;

use super::document::strings;
use super::endpoint::Endpoint;
use super::findings::{Findings, listed};
use crate::fetch;
use crate::output;

/// Examines the authorization server `issuer`.
pub(super) async fn examine(endpoint: &Endpoint<'_>, issuer: &str, scopes: &[String], found: &mut Findings) {
    let name = "an authorization server";
    let Some(address) = found.address("authorization_servers", name, issuer, &endpoint.url) else { return };
    let Some(metadata) = metadata(endpoint, &address, found).await else { return };
    if metadata["issuer"].as_str() != Some(issuer) {
        let named = metadata["issuer"].as_str().map_or_else(|| "nothing".to_owned(), output::word);
        let text = format!("expected the issuer {}, found {named}: clients refuse it", output::word(issuer));
        return found.fault("issuer", text, "name the issuer in the server's metadata exactly as it names itself");
    }
    found.ok("issuer", output::word(issuer));
    if metadata["token_endpoint"].as_str().is_none() {
        let text = format!("{} names no token_endpoint", output::word(issuer));
        found.fault("token_endpoint", text, "check that this is an authorization server");
    }
    match metadata["authorization_endpoint"].as_str() {
        Some(_) => login(&metadata, issuer, found),
        None => found
            .ok("machines_only", "no authorization_endpoint: only clients with credentials of their own get tokens"),
    }
    known_scopes(&metadata, issuer, scopes, found);
    found.ok(
        "resource_indicator",
        "no metadata says whether requests with resource (RFC 8707) are understood: look at aud of a token (--token-env)",
    );
}

/// The first document at the addresses that the protocol lists, in its order.
async fn metadata(endpoint: &Endpoint<'_>, issuer: &Url, found: &mut Findings) -> Option<Value> {
    let mut why = Vec::new();
    let mut answers = 0;
    for address in addresses(issuer) {
        match fetch::get(endpoint.connection, &address).await {
            Ok(answer) if answer.status == 200 => {
                let json = serde_json::from_slice::<Value>(&answer.body).ok().filter(Value::is_object);
                if json.is_some() && !answer.is_cut {
                    found.ok("discovery", address.as_str());
                    return json;
                }
                answers += 1;
                why.push(format!("{address}: not one JSON object of at most 256 KiB"));
            }
            Ok(answer) => {
                answers += 1;
                why.push(format!("{address}: {}", answer.status_text()));
            }
            Err(problem) => why.push(format!("{address}: {problem}")),
        }
    }
    if answers == 0 {
        found.unreachable(issuer, &why.join("; "));
    } else {
        let text = format!("no metadata of the authorization server: {}", why.join("; "));
        found.fault(
            "discovery",
            text,
            "correct the issuer in authorization_servers; countersign keys check examines it",
        );
    }
    None
}

/// Notes what the login of a user lacks.
fn login(metadata: &Value, issuer: &str, found: &mut Findings) {
    let issuer = output::word(issuer);
    let methods = strings(&metadata["code_challenge_methods_supported"]).unwrap_or_default();
    match methods.iter().any(|method| method == "S256") {
        true => found.ok("pkce", "S256"),
        false => found.fault(
            "pkce",
            format!("{issuer} does not list S256 in code_challenge_methods_supported: clients do not begin a login"),
            "turn on PKCE with S256, and its announcement",
        ),
    }
    let has_documents = metadata["client_id_metadata_document_supported"] == true;
    match (has_documents, metadata["registration_endpoint"].is_string()) {
        (true, _) => found.ok("registration", "client ID metadata documents"),
        (false, true) => found.ok("registration", "dynamic registration, which revision 2026-07-28 deprecates"),
        (false, false) => found.warning(
            "registration",
            format!("{issuer} takes neither client ID metadata documents nor registrations"),
            "turn one of them on, or register each client by hand and give its users the client_id",
        ),
    }
    if metadata["authorization_response_iss_parameter_supported"] != true {
        let text = format!("{issuer} does not announce iss in its responses (RFC 9207)");
        found.warning("iss", text, "turn it on: it protects clients that use several authorization servers");
    }
}

/// The scopes of the challenge that the authorization server does not list.
fn known_scopes(metadata: &Value, issuer: &str, scopes: &[String], found: &mut Findings) {
    let Some(known) = strings(&metadata["scopes_supported"]) else { return };
    let unknown: Vec<String> = scopes.iter().filter(|scope| !known.contains(scope)).cloned().collect();
    if !unknown.is_empty() {
        let text = format!("{} does not list the scope {}", output::word(issuer), listed(&unknown));
        found.warning("unknown_scope", text, "create the scope there, and allow clients to request it");
    }
}

/// The addresses of the metadata of `issuer`, in the order of the protocol: RFC 8414, then OpenID Connect with the path inserted,
/// then appended.
fn addresses(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let inserted = |name: &str| at(format!("/.well-known/{name}{path}"));
    let mut all = vec![inserted("oauth-authorization-server"), inserted("openid-configuration")];
    if !path.is_empty() {
        all.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    all
}
