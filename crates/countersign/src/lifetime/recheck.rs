//! The moments at which a running response asks about its token again.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::revocation::RevocationChanges;

/// The shortest time between two questions of one response.
const RECHECK_EVERY: Duration = Duration::from_secs(1);

/// Waits for changes of revocations, and for its turn after one.
///
/// A response asks at most once a second, at a fraction of the second of its own: if a revocation wakes ten thousand
/// responses, their questions are spread over a second, and so are all later ones.
pub(super) struct Recheck {
    changes: Vec<RevocationChanges>,
    first_turn: Instant,
}

impl Recheck {
    pub(super) fn new(changes: Vec<RevocationChanges>) -> Self {
        Recheck { changes, first_turn: Instant::now() + fraction_of(RECHECK_EVERY) }
    }

    /// Returns true at the turn after a change, or false at `deadline` if that is earlier.
    pub(super) async fn changed_before(&mut self, deadline: Instant) -> bool {
        if self.changes.is_empty() || timeout_at(deadline, self.any()).await.is_err() {
            sleep_until(deadline).await;
            return false;
        }
        let turn = self.next_turn(Instant::now());
        sleep_until(turn.min(deadline)).await;
        turn < deadline
    }

    /// Waits for a change of any of the checks.
    async fn any(&mut self) {
        let mut waits: Vec<_> = self.changes.iter_mut().map(|changes| Box::pin(changes.next())).collect();
        poll_fn(|context| {
            let is_changed = waits.iter_mut().any(|wait| wait.as_mut().poll(context).is_ready());
            if is_changed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn next_turn(&self, now: Instant) -> Instant {
        match now.checked_duration_since(self.first_turn) {
            None => self.first_turn,
            Some(since) => {
                let turns = since.as_secs().saturating_add(1); // RECHECK_EVERY is a second
                self.first_turn + RECHECK_EVERY.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
            }
        }
    }
}

/// A part of `whole`; those of responses that begin one after the other are spread evenly.
fn fraction_of(whole: Duration) -> Duration {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let started = STARTED.fetch_add(1, Ordering::Relaxed);
    let [.., high, top] = started.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(); // the golden ratio
    whole.mul_f64(f64::from(u16::from_le_bytes([high, top])) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::RevocationSignal;

    /// Ten thousand responses and a thousand revocations a second: no instant has more than its part of the questions, and no
    /// response asks more than once a second.
    #[tokio::test(start_paused = true)]
    async fn s14_12_questions_are_spread_and_bounded() {
        let start = Instant::now();
        let signal = RevocationSignal::new();
        let mut spread = [0_u32; 10];
        for _ in 0..10_000 {
            let turn = Recheck::new(vec![signal.changes()]).next_turn(start);
            let tenth = turn.duration_since(start).as_millis() / 100;
            spread[usize::try_from(tenth).expect("small").min(9)] += 1;
        }
        assert!(spread.iter().all(|turns| (900..1_100).contains(turns)), "{spread:?}");

        let mut recheck = Recheck::new(vec![signal.changes()]);
        let sending = tokio::spawn(async move {
            loop {
                signal.send();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let end = Instant::now() + Duration::from_secs(20);
        let mut asked = 0;
        while recheck.changed_before(end).await {
            asked += 1;
        }
        sending.abort();
        assert!((19..=20).contains(&asked), "{asked} in 20 seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_change_nothing_is_asked_and_each_check_can_tell_of_one() {
        let (first, second) = (RevocationSignal::new(), RevocationSignal::new());
        let mut recheck = Recheck::new(vec![first.changes(), second.changes()]);
        let soon = || Instant::now() + Duration::from_secs(5);
        assert!(
            recheck.changed_before(soon()).await && recheck.changed_before(soon()).await,
            "the first is there from the start"
        );
        assert!(!recheck.changed_before(soon()).await);
        second.send();
        assert!(recheck.changed_before(soon()).await && !recheck.changed_before(soon()).await);
        drop((first, second));
        assert!(!recheck.changed_before(soon()).await, "nobody is left to tell");
        assert!(!Recheck::new(Vec::new()).changed_before(soon()).await);
    }
}
