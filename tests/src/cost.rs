//! The processor time of a piece of work.

use std::time::Duration;

/// The least processor time of several runs, in the presence of others on the machine.
///
/// # Panics
/// If the system has no clock of the thread.
pub fn least_cpu_time(mut work: impl FnMut()) -> Duration {
    let times = (0..15).map(|_| {
        let start = thread_time();
        work();
        thread_time().saturating_sub(start)
    });
    times.min().expect("fifteen")
}

/// The time for which this thread has run on a processor. Other systems than Linux tell the time that passed.
#[cfg(target_os = "linux")]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).expect("positive"), u32::try_from(time.tv_nsec).expect("below a second"))
}

#[cfg(not(target_os = "linux"))]
fn thread_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
