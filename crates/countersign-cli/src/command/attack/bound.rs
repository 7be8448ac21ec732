//! The attacks on requests with bound tokens (DPoP), if the service takes such tokens.

use countersign_test::{ProofAttack, TestKey, TokenDraft};

use super::results::{Row, Run, Skipped};
use super::target::Target;
use crate::tools::attacks::outcome;
use crate::tools::proof_attacks::{self, EXPECTED};

/// Sends a valid bound token, and then every attack unless it was refused.
pub(super) async fn attack(target: &Target, draft: &TokenDraft, key: &TestKey, url: &str, run: &mut Run) {
    match proof_attacks::attack(target, draft, key, (target.method().as_str(), url)).await {
        Ok(statuses) => run.rows.extend(statuses.into_iter().map(|(attack, status)| {
            let outcome = status.map_or("not answered", outcome);
            Row { name: attack.name(), status, expected: EXPECTED, outcome }
        })),
        Err(reason) => {
            run.skipped
                .extend(ProofAttack::ALL.iter().map(|attack| Skipped { name: attack.name(), reason: reason.clone() }));
        }
    }
}
