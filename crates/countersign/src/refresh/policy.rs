//! Lifetimes, limits and pauses of refreshing.

use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::SettingsDigest;

use super::cool_down::{COOL_DOWN, MIN_COOL_DOWN};

/// Settings for keeping a value fresh. The defaults are those of key sets.
///
/// Impossible combinations are reported when the verifier is built.
///
/// ```
/// use std::time::Duration;
/// use countersign::keys::{RefreshPolicy, RemoteKeys};
///
/// let policy = RefreshPolicy::default().stale_for(Duration::from_secs(3600)).cool_down(Duration::from_secs(30));
/// let keys = RemoteKeys::from_issuer("https://id.example.com").refresh_policy(policy);
/// # let _ = keys;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// The lifetime of a value whose response does not state one. Default 10 min.
    pub default_lifetime: Duration,
    /// The shortest lifetime accepted from a response. Default 1 min.
    pub min_lifetime: Duration,
    /// The longest lifetime accepted from a response. Default 1 h.
    pub max_lifetime: Duration,
    /// The fraction of its lifetime after which a value is refreshed in the background. Default 0.8.
    pub refresh_ahead: f64,
    /// The spread of that moment between processes, as a fraction of it. Default 0.1.
    ///
    /// The first fetch of a process that starts with stored keys is spread over this fraction of their remaining lifetime, at most
    /// a minute.
    pub jitter: f64,
    /// The time between two fetches that callers can cause, if the first brings nothing new. Default 10 s.
    ///
    /// For a key that callers ask for repeatedly, it begins at `min_cool_down` and doubles while such fetches bring nothing.
    /// Up to 256 of these callers wait for its end, each at most for `max_wait`.
    pub cool_down: Duration,
    /// The same time after a fetch that brought new keys; it doubles with each further fetch that brings none, up to
    /// `cool_down`. Default 1 s.
    pub min_cool_down: Duration,
    /// The time that a value is used past its lifetime while fetches fail. Default 24 h.
    pub stale_for: Duration,
    /// The time limit of one fetch. Default 5 s.
    pub timeout: Duration,
    /// The longest time that one caller waits for a fetch. Default 1 s.
    pub max_wait: Duration,
    /// The pause after a failed fetch; it doubles with each further failure. Default 1 s.
    pub initial_backoff: Duration,
    /// The longest such pause. Default 1 min.
    pub max_backoff: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        RefreshPolicy {
            default_lifetime: Duration::from_secs(600),
            min_lifetime: Duration::from_secs(60),
            max_lifetime: Duration::from_secs(3600),
            refresh_ahead: 0.8,
            jitter: 0.1,
            cool_down: COOL_DOWN,
            min_cool_down: MIN_COOL_DOWN,
            stale_for: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
            max_wait: Duration::from_secs(1),
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
        }
    }
}

/// Setters, each for the field of its name.
impl RefreshPolicy {
    /// Sets the lifetime of a value whose response does not state one.
    #[must_use]
    pub fn default_lifetime(self, default_lifetime: Duration) -> Self {
        RefreshPolicy { default_lifetime, ..self }
    }

    /// Sets the shortest lifetime accepted from a response.
    #[must_use]
    pub fn min_lifetime(self, min_lifetime: Duration) -> Self {
        RefreshPolicy { min_lifetime, ..self }
    }

    /// Sets the longest lifetime accepted from a response.
    #[must_use]
    pub fn max_lifetime(self, max_lifetime: Duration) -> Self {
        RefreshPolicy { max_lifetime, ..self }
    }

    /// Sets the fraction of its lifetime after which a value is refreshed.
    #[must_use]
    pub fn refresh_ahead(self, refresh_ahead: f64) -> Self {
        RefreshPolicy { refresh_ahead, ..self }
    }

    /// Sets the spread between processes.
    #[must_use]
    pub fn jitter(self, jitter: f64) -> Self {
        RefreshPolicy { jitter, ..self }
    }

    /// Sets the time between two fetches that callers can cause.
    #[must_use]
    pub fn cool_down(self, cool_down: Duration) -> Self {
        RefreshPolicy { cool_down, ..self }
    }

    /// Sets the time between such fetches while they bring new keys.
    #[must_use]
    pub fn min_cool_down(self, min_cool_down: Duration) -> Self {
        RefreshPolicy { min_cool_down, ..self }
    }

    /// Sets how long a value is used past its lifetime while fetches fail.
    #[must_use]
    pub fn stale_for(self, stale_for: Duration) -> Self {
        RefreshPolicy { stale_for, ..self }
    }

    /// Sets the time limit of one fetch.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        RefreshPolicy { timeout, ..self }
    }

    /// Sets the longest time that one caller waits for a fetch.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        RefreshPolicy { max_wait, ..self }
    }

    /// Sets the pause after a first failure.
    #[must_use]
    pub fn initial_backoff(self, initial_backoff: Duration) -> Self {
        RefreshPolicy { initial_backoff, ..self }
    }

    /// Sets the longest pause after failures.
    #[must_use]
    pub fn max_backoff(self, max_backoff: Duration) -> Self {
        RefreshPolicy { max_backoff, ..self }
    }
}

impl RefreshPolicy {
    /// Impossible settings, by field.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |bad: bool, field: &'static str, problem: &'static str| {
            if bad {
                faults.push(Fault::new(field, problem));
            }
        };
        fault(
            self.min_lifetime < Duration::from_secs(1) || self.min_lifetime > self.max_lifetime,
            "min_lifetime",
            "not between 1 s and max_lifetime; a shorter one would cause endless fetches",
        );
        fault(
            !(self.min_lifetime..=self.max_lifetime).contains(&self.default_lifetime),
            "default_lifetime",
            "not between min_lifetime and max_lifetime",
        );
        fault(
            !(0.1..=0.95).contains(&self.refresh_ahead),
            "refresh_ahead",
            "not between 0.1 and 0.95; it is a fraction of the lifetime",
        );
        fault(!(0.0..=0.5).contains(&self.jitter), "jitter", "not between 0 and 0.5");
        fault(
            self.cool_down < Duration::from_secs(1),
            "cool_down",
            "below 1 s; untrusted clients could cause fetches at will",
        );
        fault(
            self.min_cool_down < Duration::from_secs(1) || self.min_cool_down > self.cool_down,
            "min_cool_down",
            "not between 1 s and cool_down",
        );
        fault(
            self.timeout.is_zero() || self.timeout > Duration::from_secs(60),
            "timeout",
            "not above zero and at most 60 s",
        );
        fault(
            self.max_wait.is_zero() || self.max_wait > self.timeout,
            "max_wait",
            "not above zero and at most the timeout",
        );
        fault(
            self.initial_backoff < Duration::from_millis(100) || self.initial_backoff > self.max_backoff,
            "initial_backoff",
            "not between 100 ms and max_backoff",
        );
        faults
    }

    /// A digest of every field.
    pub(crate) fn digest(&self) -> SettingsDigest {
        SettingsDigest::of(&format!("{self:?}")) // derived, so that it has each field
    }

    /// The lifetime to use, given the one that a response states.
    pub(crate) fn lifetime(&self, stated: Option<Duration>) -> Duration {
        stated.map_or(self.default_lifetime, |stated| stated.clamp(self.min_lifetime, self.max_lifetime))
    }

    /// The age at which a value with this lifetime is refreshed; the same within a process, spread over processes.
    pub(crate) fn refresh_after(&self, lifetime: Duration) -> Duration {
        lifetime.mul_f64((self.refresh_ahead * (1.0 + self.jitter * process_jitter())).clamp(0.05, 0.98))
    }

    /// The wait before the first fetch of a process that starts with a value of an earlier run, which is fresh for `left`: at most
    /// [`FIRST_WITHIN`], so that the instances of a fleet that restarts do not fetch at once.
    pub(crate) fn first_refresh_after(&self, left: Duration) -> Duration {
        self.first_refresh(left, process_jitter())
    }

    fn first_refresh(&self, left: Duration, jitter: f64) -> Duration {
        left.mul_f64(self.jitter).min(FIRST_WITHIN).mul_f64(f64::midpoint(1.0, jitter))
    }

    /// The time, spread over processes by the jitter.
    #[cfg(any(feature = "bundle", all(feature = "axum", feature = "outbound")))]
    pub(crate) fn spread(&self, time: Duration) -> Duration {
        time.mul_f64(1.0 + self.jitter * process_jitter())
    }

    /// The pause after this many failures in a row.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        let exponential =
            self.initial_backoff.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let jittered = exponential.min(self.max_backoff).mul_f64(1.0 + self.jitter * process_jitter());
        jittered.clamp(self.initial_backoff, self.max_backoff)
    }
}

/// The longest time after a start at which a value of an earlier run is refreshed: it may have been withdrawn meanwhile.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// A number in -1..1, drawn once per process, so that the instances of a fleet do not fetch at once.
fn process_jitter() -> f64 {
    use std::sync::OnceLock;
    static JITTER: OnceLock<f64> = OnceLock::new();
    *JITTER.get_or_init(|| jitter_of(&mut fastrand::Rng::new()))
}

fn jitter_of(random: &mut fastrand::Rng) -> f64 {
    random.f64() * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::*;

    /// The processes that start together; each draws once.
    const PROCESSES: usize = 16;

    /// Set for a process that only prints its delays.
    const CHILD: &str = "COUNTERSIGN_TEST_JITTER";

    /// The time for which the keys of an earlier run are still fresh; a tenth of it is less than [`FIRST_WITHIN`].
    const LEFT: Duration = Duration::from_secs(500);

    #[test]
    fn s4_17_s4_18_processes_that_start_together_fetch_at_times_of_their_own() {
        const NAME: &str =
            "refresh::policy::tests::s4_17_s4_18_processes_that_start_together_fetch_at_times_of_their_own";
        let policy = RefreshPolicy::default();
        if std::env::var_os(CHILD).is_some() {
            println!(
                "{CHILD} {} {}",
                policy.first_refresh_after(LEFT).as_nanos(),
                policy.refresh_after(LEFT).as_nanos()
            );
            return;
        }
        let this = std::env::current_exe().expect("this test");
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| {
                let mut command = Command::new(&this);
                command.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1").stdout(std::process::Stdio::piped());
                command.spawn().expect("this test again")
            })
            .collect();
        let (mut first, mut later) = (BTreeSet::new(), BTreeSet::new());
        for child in children {
            let output = String::from_utf8(child.wait_with_output().expect("its output").stdout).expect("text");
            let (_, line) = output.split_once(CHILD).unwrap_or_else(|| panic!("no delays: {output}"));
            let mut delays = line.split_whitespace().map_while(|delay| delay.parse().ok()).map(Duration::from_nanos);
            first.insert(delays.next().expect("a delay"));
            later.insert(delays.next().expect("a delay"));
        }
        assert_eq!((first.len(), later.len()), (PROCESSES, PROCESSES), "no two at the same time");
        assert!(first.iter().all(|delay| *delay <= LEFT / 10), "{first:?}");
        assert!(later.iter().all(|delay| *delay < LEFT), "{later:?}");
    }

    #[test]
    fn s4_17_two_hundred_first_fetches_fill_the_time_that_the_jitter_allows() {
        let mut random = fastrand::Rng::with_seed(1);
        for (left, within) in [(LEFT, LEFT / 10), (Duration::from_secs(86_400), FIRST_WITHIN)] {
            let mut in_tenth = [0; 10];
            for _ in 0..200 {
                let delay = RefreshPolicy::default().first_refresh(left, jitter_of(&mut random));
                let tenth = usize::try_from(10 * delay.as_nanos() / within.as_nanos()).expect("a small number");
                in_tenth[tenth] += 1; // past the end it panics
            }
            assert!(in_tenth.iter().all(|count| (8..=35).contains(count)), "{in_tenth:?}");
        }
    }
}
