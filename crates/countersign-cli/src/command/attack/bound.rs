//! The attacks on requests with bound tokens (DPoP), if the service takes such tokens.

use countersign_test::{ProofAttack, TestKey, TestProof, TokenDraft};

use super::results::{Row, Run, Skipped};
use super::target::Target;
use crate::tools::attacks::outcome;

/// The status that refuses a bound token or its proof (RFC 9449 §7.1).
const EXPECTED: u16 = 401;

/// Sends a valid bound token, and then every attack unless it was refused.
pub(super) async fn attack(target: &Target, draft: &TokenDraft, key: &TestKey, url: &str, run: &mut Run) {
    let template = key.proof_without_token(target.method().as_str(), url);
    let token = draft.clone().bound_to(key).sign();
    let template = match accepted(target, template, &token).await {
        Ok(template) => template,
        Err(reason) => {
            run.skipped
                .extend(ProofAttack::ALL.iter().map(|attack| Skipped { name: attack.name(), reason: reason.clone() }));
            return;
        }
    };
    let mut template = template;
    for attack in ProofAttack::ALL {
        let hostile = template.hostile(*attack, draft);
        let answer = target.send_hostile(&hostile).await.ok();
        if let Some(next) = answer.as_ref().and_then(|answer| answer.nonce.clone()) {
            template = template.nonce(next);
        }
        let status = answer.map(|answer| answer.status);
        let outcome = status.map_or("not answered", outcome);
        run.rows.push(Row { name: attack.name(), status, expected: EXPECTED, outcome });
    }
}

/// The template of proofs with which the service accepts the bound token, with a nonce if it demands one; else the reason why
/// nothing would be shown.
async fn accepted(target: &Target, template: TestProof, token: &str) -> Result<TestProof, String> {
    let authorization = format!("DPoP {token}");
    let first = target.send_bound(&authorization, &[template.clone().for_token(token).sign()]).await?;
    let (template, answer) = match first.nonce.clone().filter(|_| !first.is_success()) {
        None => (template, first),
        Some(nonce) => {
            let template = template.nonce(nonce);
            let proof = template.clone().for_token(token).id("second-attempt").sign();
            let second = target.send_bound(&authorization, &[proof]).await?;
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
