//! The attacks on requests with bound tokens (DPoP), for a service that takes such tokens.

use std::future::Future;

use countersign_test::{HostileRequest, ProofAttack, TestKey, TestProof, TokenDraft};

/// The status that refuses a bound token or its proof (RFC 9449 §7.1).
pub(crate) const EXPECTED: u16 = 401;

/// The answer of the service.
pub(crate) struct BoundAnswer {
    pub(crate) status: u16,
    /// The challenge for people, or nothing.
    pub(crate) challenge: String,
    /// The nonce for the next proof (RFC 9449 §8).
    pub(crate) nonce: Option<String>,
}

impl BoundAnswer {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends requests to the service.
pub(crate) trait SendBound {
    /// The answer to a request with this authorization and these proofs; `Err` is the reason why there is none.
    fn send_bound(
        &self,
        authorization: &str,
        proofs: &[String],
    ) -> impl Future<Output = Result<BoundAnswer, String>> + Send;
}

/// Sends a valid bound token, and then every attack; returns the statuses. `method` and `url` are those that proofs name.
///
/// # Errors
/// The reason why the attacks would show nothing: the valid token was refused.
pub(crate) async fn attack(
    service: &impl SendBound,
    draft: &TokenDraft,
    key: &TestKey,
    (method, url): (&str, &str),
) -> Result<Vec<(ProofAttack, Option<u16>)>, String> {
    let token = draft.clone().bound_to(key).sign();
    let mut template = accepted(service, key.proof_without_token(method, url), &token).await?;
    let mut statuses = Vec::new();
    for attack in ProofAttack::ALL {
        let hostile = template.hostile(*attack, draft);
        let answer = send_hostile(service, &hostile).await.ok();
        if let Some(next) = answer.as_ref().and_then(|answer| answer.nonce.clone()) {
            template = template.nonce(next);
        }
        statuses.push((*attack, answer.map(|answer| answer.status)));
    }
    Ok(statuses)
}

/// The template of proofs with which the service accepts the bound token, with a nonce if it demands one.
async fn accepted(service: &impl SendBound, template: TestProof, token: &str) -> Result<TestProof, String> {
    let authorization = format!("DPoP {token}");
    let first = service.send_bound(&authorization, &[template.clone().for_token(token).sign()]).await?;
    let (template, answer) = match first.nonce.clone().filter(|_| !first.is_success()) {
        None => (template, first),
        Some(nonce) => {
            let template = template.nonce(nonce);
            let proof = template.clone().for_token(token).id("second-attempt").sign();
            let second = service.send_bound(&authorization, &[proof]).await?;
            (template, second)
        }
    };
    match answer.is_success() {
        true => Ok(template),
        false => {
            Err(format!("a valid bound token with its proof was answered with {}{}", answer.status, answer.challenge))
        }
    }
}

/// The answer to a hostile request; to its repetition if it is a replay, which shows nothing unless the first is accepted.
async fn send_hostile(service: &impl SendBound, hostile: &HostileRequest) -> Result<BoundAnswer, String> {
    if hostile.is_replay() {
        let first = service.send_bound(hostile.authorization(), hostile.proofs()).await?;
        if !first.is_success() {
            return Err(format!("the proof was refused at its first use with {}", first.status));
        }
    }
    service.send_bound(hostile.authorization(), hostile.proofs()).await
}
