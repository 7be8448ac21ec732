//! The caller of a tool, from the context of rmcp.

use std::sync::Arc;

use bytes::Bytes;
use countersign::authenticate::{Authenticated, AuthenticationStatus, CallerToken};
use countersign::integration::OperationGuard;
use countersign_core::authz::Requirement;
use countersign_core::verify::Verified;
use http::request::Parts;
use http::{Response, StatusCode, header};
use rmcp::model::{ErrorCode, ErrorData, Extensions};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};

/// The verified caller of a tool, prompt or resource; [`caller`] returns it and has an example.
#[derive(Clone, Copy)]
pub struct McpCaller<'c> {
    parts: &'c Parts,
    verified: &'c Arc<Verified>,
}

/// Returns the caller of the request that a tool, prompt or resource serves.
///
/// ```
/// use countersign::prelude::*;
/// use countersign_mcp::caller;
/// use rmcp::model::{CallToolResult, ContentBlock, ErrorData};
/// use rmcp::service::{RequestContext, RoleServer};
///
/// async fn delete_order(context: RequestContext<RoleServer>) -> Result<CallToolResult, ErrorData> {
///     let caller = caller(&context)?;
///     caller.require(&scope("orders:write").and(role("manager")))?;
///     Ok(CallToolResult::success(vec![ContentBlock::text(format!("deleted for {}", caller.subject()))]))
/// }
/// # let _ = delete_order;
/// ```
///
/// # Errors
/// An internal error if the request passed no layer, or has no token; the log states the fix.
pub fn caller(context: &RequestContext<RoleServer>) -> Result<McpCaller<'_>, ErrorData> {
    McpCaller::from_extensions(&context.extensions)
}

impl<'c> McpCaller<'c> {
    pub(super) fn from_extensions(extensions: &'c Extensions) -> Result<Self, ErrorData> {
        let parts = extensions.get::<Parts>().ok_or_else(no_caller)?;
        match Authenticated::status(&parts.extensions) {
            AuthenticationStatus::Verified(verified) => Ok(McpCaller { parts, verified }),
            _ => Err(no_caller()),
        }
    }

    /// The issuer (`iss`). Issuer and subject together identify the caller.
    #[must_use]
    pub fn issuer(&self) -> &'c str {
        self.verified.issuer()
    }

    /// The subject (`sub`).
    #[must_use]
    pub fn subject(&self) -> &'c str {
        self.verified.subject()
    }

    /// The verified token.
    #[must_use]
    pub fn verified(&self) -> &'c Arc<Verified> {
        self.verified
    }

    /// The request, without the token.
    #[must_use]
    pub fn parts(&self) -> &'c Parts {
        self.parts
    }

    /// The caller's token for an exchange ([`Outbound::on_behalf_of`](https://docs.rs/countersign)), if the layer keeps it
    /// (`keep_caller_token`). Only an outbound client can read it.
    #[must_use]
    pub fn token(&self) -> Option<&'c CallerToken> {
        self.parts.extensions.get()
    }

    /// Refuses a caller that does not meet `requirement`.
    ///
    /// # Errors
    /// An invalid request (-32600) with the facts of the challenge as data: `status`, `code`, `scope`, `resource_metadata` and
    /// `www_authenticate`, as far as they apply. A mistake in the set-up is an internal error.
    pub fn require(&self, requirement: &Requirement) -> Result<(), ErrorData> {
        check(&OperationGuard::new(requirement.clone()), self.parts)
    }

    /// Returns whether the caller meets `requirement`, for a tool that does less instead of refusing.
    #[must_use]
    pub fn meets(&self, requirement: &Requirement) -> bool {
        OperationGuard::new(requirement.clone()).is_met_by(self.parts)
    }

    /// The identity of the caller as bytes, to which the state of a multi-round-trip request is bound, for example by
    /// `SealOptions::associated_data` of rmcp. No two callers have the same.
    #[must_use]
    pub fn binding(&self) -> Vec<u8> {
        let client = self.verified.client_id();
        let parts = [Some(self.issuer()), Some(self.subject()), client];
        json!(parts).to_string().into_bytes()
    }
}

/// Only metadata: claims are personal.
impl std::fmt::Debug for McpCaller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpCaller").field("verified", self.verified).finish_non_exhaustive()
    }
}

/// Evaluates the requirement of an operation over the request that asks for it.
pub(super) fn check(guard: &OperationGuard, parts: &Parts) -> Result<(), ErrorData> {
    guard.refusal_of(parts).map_or(Ok(()), |refused| Err(error(&refused)))
}

/// The error of a request without a caller.
#[cold]
pub(super) fn no_caller() -> ErrorData {
    tracing::error!(
        target: "countersign",
        "an MCP operation ran for a request that passed no McpLayer; serve it with McpLayer::rmcp_router or rmcp_service"
    );
    ErrorData::internal_error("the server is not set up to answer this request", None)
}

/// The JSON-RPC form of a refusal.
pub(super) fn error(refused: &Response<Bytes>) -> ErrorData {
    let problem: Value = serde_json::from_slice(refused.body()).unwrap_or_default();
    let text = |name: &str| problem.get(name).and_then(Value::as_str);
    let status = refused.status();
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        return ErrorData::internal_error("the server is not set up to answer this request", None);
    }
    let mut data = Map::from_iter([("status".to_owned(), json!(status.as_u16()))]);
    if let Some(code) = text("code") {
        data.insert("code".to_owned(), json!(code));
    }
    let challenges = refused.headers().get_all(header::WWW_AUTHENTICATE).iter();
    let challenges: Vec<&str> = challenges.filter_map(|challenge| challenge.to_str().ok()).collect();
    for name in ["scope", "acr_values", "max_age", "resource_metadata"] {
        if let Some(value) = challenges.iter().find_map(|challenge| parameter(challenge, name)) {
            data.insert(name.to_owned(), json!(value));
        }
    }
    if !challenges.is_empty() {
        data.insert("www_authenticate".to_owned(), json!(challenges));
    }
    let message = text("title").unwrap_or("access denied").to_owned();
    ErrorData::new(ErrorCode::INVALID_REQUEST, message, Some(Value::Object(data)))
}

/// A parameter of a challenge of this library, whose values have no quotes.
fn parameter<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let (_, rest) = challenge.split_once(&format!(", {name}=\""))?;
    rest.split('"').next()
}
