//! Disturbances: the wall clock of the service is set, and the provider is suspended.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use crate::clock::SteppedClock;

/// The time between two disturbances of one kind.
const BETWEEN: Duration = Duration::from_secs(20);

/// The length of a clock step. It passes before tokens are fetched again, so that no good token is dated ahead.
const STEPPED_FOR: Duration = Duration::from_millis(1500);

/// The length of a suspension, longer than any time limit of the service.
const SUSPENDED_FOR: Duration = Duration::from_secs(8);

/// Sets the clock an hour ahead, a day ahead, then ten years ahead, and back each time.
pub(crate) async fn step_clock(clock: SteppedClock, ends_at: Instant) {
    for seconds in [3_600, 86_400, 315_360_000].into_iter().cycle() {
        if Instant::now() + BETWEEN + STEPPED_FOR >= ends_at {
            return;
        }
        sleep(BETWEEN).await;
        clock.set_ahead(seconds);
        sleep(STEPPED_FOR).await;
        clock.set_ahead(0);
    }
}

/// Stops the provider's process and lets it go on.
pub(crate) async fn suspend(process: u32, ends_at: Instant) {
    sleep(BETWEEN / 2).await;
    while Instant::now() + SUSPENDED_FOR < ends_at {
        signal("-STOP", process);
        sleep(SUSPENDED_FOR).await;
        signal("-CONT", process);
        sleep_until((Instant::now() + BETWEEN).min(ends_at).into()).await;
    }
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {name} {process}");
}
