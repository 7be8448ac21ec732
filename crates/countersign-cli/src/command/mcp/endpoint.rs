//! The endpoint of a server: its answers without a token, and with one.

use std::time::Duration;

use countersign::inspect::inspect;
use countersign::integration::challenge_parameters;
use countersign::secret::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::challenge::{Challenge, forbidden, of, scopes, unauthorized};
use super::findings::{Findings, listed};
use crate::fetch::{self, ConnectionOptions, Fetched};
use crate::output;

/// Timeout for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The revision with which a session is begun: servers of all revisions that are in use answer it.
const SESSION_REVISION: &str = "2025-11-25";

/// The first revision whose headers name the tool.
const HEADER_REVISION: &str = "2026-07-28";

/// The address of a server.
pub(super) struct Endpoint<'a> {
    pub(super) url: Url,
    pub(super) connection: &'a ConnectionOptions,
}

impl Endpoint<'_> {
    /// Asks without a token; `None` if nothing else can be found.
    pub(super) async fn without_token(&self, found: &mut Findings) -> Option<Challenge> {
        let answer = match self.initialize(None).await {
            Ok(answer) => answer,
            Err(problem) => {
                found.unreachable(&self.url, &problem);
                return None;
            }
        };
        let status = answer.status_text();
        match answer.status {
            401 => found.ok("authentication", "401 without a token"),
            200..=299 => found.fault(
                "open",
                format!("{status} without a token: nobody is asked to log in"),
                "put the layer before the route of the server",
            ),
            300..=399 => {
                found.fault("redirect", format!("{status}: clients send no token there"), "give clients that address");
                return None;
            }
            404 | 405 => {
                let text = format!("{status}: no server of the protocol answers POST at this address");
                found.fault("no_endpoint", text, "add the path of the server, such as /mcp");
                return None;
            }
            403 => found.fault(
                "status",
                format!("{status} without a token: clients take it for a refusal and do not log in"),
                "answer 401; if a check of Host or Origin refused the request, allow this host",
            ),
            _ => found.fault(
                "status",
                format!("{status} without a token, where clients expect 401"),
                "let the layer decide before anything reads the request",
            ),
        }
        let parameters = challenge_parameters(&answer.headers, "Bearer");
        if answer.status == 401 {
            unauthorized(&answer, &parameters, found);
        }
        Some(Challenge { metadata: of(&parameters, "resource_metadata"), scopes: scopes(&parameters) })
    }

    /// Asks with a token.
    pub(super) async fn with_token(&self, token: &Secret<String>, challenge: &Challenge, found: &mut Findings) {
        self.audience(token, found);
        let answer = match self.initialize(Some(token)).await {
            Ok(answer) => answer,
            Err(problem) => return found.unreachable(&self.url, &problem),
        };
        match answer.status {
            401 => {
                let parameters = challenge_parameters(&answer.headers, "Bearer");
                let reason = of(&parameters, "error_description").or_else(|| of(&parameters, "error"));
                let reason = reason.map(|reason| format!(": {}", output::quoted(&reason))).unwrap_or_default();
                let remedy = "countersign verify with the policy of the server prints every check";
                found.fault("token_refused", format!("401 with the token{reason}"), remedy);
            }
            403 => forbidden(&answer, "the token", (token, challenge), found),
            500.. => {
                let remedy = "503: the server cannot fetch the keys (countersign keys check); else see its log";
                found.fault("status", format!("{} with the token", answer.status_text()), remedy);
            }
            _ => found.ok("token", format!("{} with the token", answer.status_text())),
        }
        if let Some(session) = answer.headers.get("mcp-session-id") {
            let mut headers = headers(Some(token));
            headers.insert("mcp-session-id", session.clone());
            headers.insert("mcp-protocol-version", HeaderValue::from_static(SESSION_REVISION));
            let _ = fetch::send(self.connection, Method::DELETE, &self.url, headers, Vec::new()).await;
        }
    }

    /// Asks with headers that name a tool, and a body that calls nothing.
    pub(super) async fn with_tool(
        &self,
        (token, tool): (&Secret<String>, &str),
        challenge: &Challenge,
        found: &mut Findings,
    ) {
        let mut headers = headers(Some(token));
        let named = [("mcp-protocol-version", HEADER_REVISION), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        for (name, value) in named {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let answer = match self.post(headers, &json!({})).await {
            Ok(answer) => answer,
            Err(problem) => return found.unreachable(&self.url, &problem),
        };
        match answer.status {
            403 => forbidden(&answer, &format!("the tool {}", output::word(tool)), (token, challenge), found),
            401 => {} // is a finding already
            _ => {
                let text = format!(
                    "{} for the headers of {}: with them it is not refused; the server may refuse its call",
                    answer.status_text(),
                    output::word(tool)
                );
                found.ok("tool", text);
            }
        }
    }

    /// Compares the audience of a token that can be read with the address.
    fn audience(&self, token: &Secret<String>, found: &mut Findings) {
        let inspection = inspect(token.expose());
        let Some(claims) = inspection.payload() else {
            return found.ok("token", "the token is not a JWT: only the server can read its audience");
        };
        let audiences = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        if audiences.iter().any(|audience| Url::parse(audience).is_ok_and(|audience| audience == self.url)) {
            return found.ok("audience", format!("the token is for {}", self.url));
        }
        let named = if audiences.is_empty() { "nothing".to_owned() } else { listed(&audiences) };
        let remedy = "let the authorization server put the requested resource (RFC 8707) into aud: the guide for MCP servers \
                    shows how";
        found.fault("audience", format!("the token is for {named}, not for {}", self.url), remedy);
    }

    async fn initialize(&self, token: Option<&Secret<String>>) -> Result<Fetched, String> {
        let parameters = json!({
            "protocolVersion": SESSION_REVISION,
            "capabilities": {},
            "clientInfo": { "name": "countersign", "version": env!("CARGO_PKG_VERSION") },
        });
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters });
        self.post(headers(token), &request).await
    }

    /// The status and headers of the answer; its body, which may be a stream, is not read.
    async fn post(&self, headers: HeaderMap, body: &Value) -> Result<Fetched, String> {
        let body = body.to_string().into_bytes();
        fetch::send_bounded((ANSWER_WITHIN, 0), self.connection, Method::POST, &self.url, headers, body).await
    }
}

fn headers(token: Option<&Secret<String>>) -> HeaderMap {
    let accepted = HeaderValue::from_static("application/json, text/event-stream");
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(ACCEPT, accepted), (CONTENT_TYPE, json)]);
    headers.extend(token.and_then(|token| fetch::bearer(token.expose())).map(|value| (AUTHORIZATION, value)));
    headers
}
