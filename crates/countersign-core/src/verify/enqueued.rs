//! Verification of a token as of the time at which its message was put into a queue.

use std::sync::Arc;
use std::time::Duration;

use super::verified::Verified;
use super::verifier::{Step, Uncached, Verifier};
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::RefreshOutcome;

/// The difference by which the clock of a queue may be ahead. The token is then verified as of now.
const CLOCK_DIFFERENCE: Duration = Duration::from_millis(500);

/// Verifies `token` as of the time at which its message was put into a queue, at most `max_age` ago.
///
/// `exp`, `nbf` and the bound of `iat` are compared with that time. All else counts as of now: the signature, the current keys,
/// issuer, audience, and the age that the policy permits. The result is not cached, and a cached result is not used.
///
/// # Errors
/// Every kind of [`VerifyErrorKind`](crate::error::VerifyErrorKind), and for the times of the queue `enqueued_in_future` and
/// `waited_too_long`.
pub async fn verify_enqueued(
    verifier: &Verifier,
    token: &str,
    enqueued_at: UnixTime,
    max_age: Duration,
) -> Result<Arc<Verified>, VerifyError> {
    let verify = || {
        let now = verifier.0.clock.now();
        check_times(enqueued_at, max_age, now)?;
        verifier.run(Uncached::enqueued(verifier, token, enqueued_at.min(now)))
    };
    let needs_keys = match verifier.step(verify) {
        Step::Done(result) => return result,
        Step::NeedsKeys(keys) => keys,
    };
    let outcome: RefreshOutcome = needs_keys.refresh().await;
    needs_keys.span().finish(|| verify().map_err(|pending| verifier.refuse(pending.after(&outcome))))
}

fn check_times(enqueued_at: UnixTime, max_age: Duration, now: UnixTime) -> Result<(), VerifyError> {
    let ahead = enqueued_at.saturating_since(now);
    if ahead > CLOCK_DIFFERENCE {
        let detail = format!("the message was enqueued {} ms in the future; compare the clocks", ahead.as_millis());
        return Err(VerifyError::new(Kind::EnqueuedInFuture, detail));
    }
    let waited = now.saturating_since(enqueued_at);
    if waited > max_age {
        let detail =
            format!("the message waited {} s, at most {} s are permitted", waited.as_secs(), max_age.as_secs());
        return Err(VerifyError::new(Kind::WaitedTooLong, detail));
    }
    Ok(())
}
