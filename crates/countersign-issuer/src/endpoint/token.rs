//! The token endpoint (RFC 6749 §3.2): the whole path of a request.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use countersign_core::proof::DpopProof;
use serde_json::{Value, json};

use super::peer::Peer;
use super::refusal::refuse;
use crate::audit::{self, Issued};
use crate::client::Client;
use crate::counts::{Outcome, TokenGrant};
use crate::grant::{self, GrantRequest, GrantedToken, is_identity_assertion};
use crate::oauth::{
    ClientIdentification, Form, NOT_APPLICABLE, OAuthError, json_response, refuse_credential, token_type,
};
use crate::policy::Grant;
use crate::proof::{DPOP, Possession};
use crate::service::Issuer;

/// The header of the next nonce (RFC 9449 §8.2).
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

pub(super) async fn token(State(issuer): State<Issuer>, request: Request) -> Response {
    issuer.maintain_keys().await;
    let peer = Peer::of(&request);
    let verified = peer.verified(&request);
    let has_proof = request.headers().contains_key(DPOP);
    let (mut client_id, mut grant) = (None, TokenGrant::default());
    let form = Form::from_request(request).await.inspect(|(_, form)| {
        grant = TokenGrant::from_name(form.one("grant_type"));
    });
    let answer = match form {
        Ok((headers, form)) if is_federated(&issuer, &headers, &form) => {
            jwt_bearer(&issuer, &headers, &form, peer).await
        }
        Ok((headers, form)) => match ClientIdentification::from_request(&headers, &form, peer.certificate, verified) {
            Ok(identification) => {
                client_id = Some(identification.client_id.clone());
                authenticated(&issuer, &headers, &form, identification, peer).await
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let outcome = answer.as_ref().map_or_else(Outcome::of_error, |_| Outcome::Ok);
    issuer.counts().token_request(grant, outcome);
    let mut response = answer.unwrap_or_else(|error| refuse(&issuer, client_id.as_deref(), peer.address, error));
    if has_proof && let Some(nonce) = next_nonce(&issuer) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}

/// The nonce for the client's next proof, if nonces are demanded.
fn next_nonce(issuer: &Issuer) -> Option<HeaderValue> {
    HeaderValue::from_str(&issuer.proofs().nonce()?).ok()
}

/// Answers a request with a client credential.
async fn authenticated(
    issuer: &Issuer,
    headers: &HeaderMap,
    form: &Form,
    identification: ClientIdentification,
    peer: Peer,
) -> Result<Response, OAuthError> {
    let client = issuer.authenticate(identification, peer.address).await?;
    let grant_type = form.one("grant_type").ok_or(OAuthError::invalid_request("grant_type is missing"))?;
    let grant = Grant::from_name(grant_type).ok_or(OAuthError::unsupported_grant_type())?;
    if !client.grants.contains(&grant) {
        return Err(OAuthError::unauthorized_client());
    }
    issue(issuer, &client, GrantRequest::with_credential(grant), headers, form, peer).await
}

/// Returns whether the assertion of a request is its only credential (RFC 7523 §3.1). An identity assertion stands beside the
/// credential of the client that presents it, which may be its certificate.
fn is_federated(issuer: &Issuer, headers: &HeaderMap, form: &Form) -> bool {
    let is_for_user = || {
        let is_asserted = form.one("assertion").is_some_and(is_identity_assertion);
        !issuer.identity_providers().is_empty() && (is_asserted || refuse_credential(headers, form).is_err())
    };
    form.one("grant_type") == Some(Grant::JwtBearer.name()) && !is_for_user()
}

/// Answers a request with a token of another issuer, which authenticates the client (RFC 7523 §3.1).
async fn jwt_bearer(issuer: &Issuer, headers: &HeaderMap, form: &Form, peer: Peer) -> Result<Response, OAuthError> {
    refuse_credential(headers, form)?;
    let assertion = form.one("assertion").ok_or(OAuthError::invalid_request("assertion is missing"))?;
    let client = issuer.authenticate_federated(assertion).await?;
    if !client.grants.contains(&Grant::JwtBearer) && !client.grants.contains(&Grant::ClientCredentials) {
        return Err(OAuthError::unauthorized_client());
    }
    if form.one("client_id").is_some_and(|named| named != client.id()) {
        return Err(OAuthError::invalid_grant());
    }
    issue(issuer, &client, GrantRequest::OwnToken(Grant::JwtBearer), headers, form, peer).await
}

/// Issues a token to an authenticated client, bound to the key of its proof if it sent one, and to its certificate if the client
/// is registered so, or the exchange demands it. A proof is recorded as used once nothing else refuses the request.
async fn issue(
    issuer: &Issuer,
    client: &Client,
    request: GrantRequest,
    headers: &HeaderMap,
    form: &Form,
    peer: Peer,
) -> Result<Response, OAuthError> {
    let is_for_certificate = client.certificate_bound_access_tokens;
    if is_for_certificate && peer.certificate.is_none() {
        return Err(OAuthError::invalid_request("tokens of this client are bound to its certificate; connect with it"));
    }
    let proof = issuer.proofs().read(headers, client.dpop_bound_access_tokens)?;
    let possession = Possession { key: proof.as_ref().map(DpopProof::thumbprint), certificate: peer.certificate };
    let granted = grant::evaluate(request, issuer, client, form, possession).await?;
    if let Some(proof) = &proof {
        issuer.proofs().record(proof, client.id()).await?;
    }
    let certificate = possession.certificate.filter(|_| is_for_certificate || granted.is_for_certificate);
    let binding = match granted.token {
        GrantedToken::Access { .. } => Possession { certificate, ..possession },
        GrantedToken::Transaction => Possession::default(),
    };
    let token = issuer.issue(client, &granted, binding).await?;
    let scope = granted.scope.to_text();
    audit::token_issued(&Issued {
        client: client.id(),
        grant: request.grant().name(),
        identity_provider: granted.identity_provider.as_deref(),
        audience: &granted.audience,
        scope: &scope,
        token_id: token.token_id(),
        txn: granted.claims.get("txn").and_then(Value::as_str),
        key_id: token.key_id(),
        has_actor: granted.claims.contains_key("act"),
        is_bound: binding.confirmation().is_some(),
    });

    let (token_type, issued_token_type) = match granted.token {
        GrantedToken::Access { issued_token_type } => (token_type(binding.key.is_some()), issued_token_type),
        GrantedToken::Transaction => (NOT_APPLICABLE, Some(grant::TXN_TOKEN)),
    };
    let mut body = json!({
        "access_token": token.as_str(),
        "token_type": token_type,
        "expires_in": token.lifetime().as_secs(),
    });
    if !granted.scope.is_empty() {
        body["scope"] = Value::from(scope);
    }
    if granted.has_resource {
        body["resource"] = Value::from(granted.audience.as_str());
    }
    if let Some(issued_token_type) = issued_token_type {
        body["issued_token_type"] = Value::from(issued_token_type);
    }
    Ok(json_response(StatusCode::OK, &body))
}
