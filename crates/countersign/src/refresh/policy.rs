//! The numbers of refreshing, judged when a source is built.

use std::time::Duration;

use countersign_core::error::Fault;

/// How a value is kept fresh. The defaults are those for key sets.
///
/// ```
/// use std::time::Duration;
/// use countersign::keys::RefreshPolicy;
///
/// let policy = RefreshPolicy { stale_for: Duration::from_secs(3600), ..RefreshPolicy::default() };
/// assert!(policy.faults().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshPolicy {
    /// How long a value is fresh where its answer does not say. Default 10 min.
    pub max_age: Duration,
    /// The shortest life taken from an answer. Default 1 min.
    pub min_life: Duration,
    /// The longest life taken from an answer. Default 1 h.
    pub max_life: Duration,
    /// The part of its life after which a value is fetched anew in the background. Default 0.8.
    pub refresh_ahead: f64,
    /// By how much that moment differs between processes, as a part of itself. Default 0.1.
    pub jitter: f64,
    /// The shortest time between two fetches that callers can cause. Default 10 s.
    pub cool_down: Duration,
    /// How long past its life a value serves while fetches fail. Default 24 h.
    pub stale_for: Duration,
    /// How long one fetch may take. Default 5 s.
    pub timeout: Duration,
    /// How long one caller waits for it. Default 1 s.
    pub wait: Duration,
    /// The pause after a failed fetch, doubled each time. Default 1 s.
    pub first_pause: Duration,
    /// The longest such pause. Default 1 min.
    pub longest_pause: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        RefreshPolicy {
            max_age: Duration::from_secs(600),
            min_life: Duration::from_secs(60),
            max_life: Duration::from_secs(3600),
            refresh_ahead: 0.8,
            jitter: 0.1,
            cool_down: Duration::from_secs(10),
            stale_for: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(1),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}

impl RefreshPolicy {
    /// The combinations that make no sense, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |bad: bool, field: &'static str, problem: &'static str| {
            if bad {
                faults.push(Fault::new(field, problem));
            }
        };
        fault(
            self.min_life < Duration::from_secs(1) || self.min_life > self.max_life,
            "min_life",
            "not at least 1 s and at most max_life; shorter lives would have us fetch without end",
        );
        fault(!(self.min_life..=self.max_life).contains(&self.max_age), "max_age", "not between min_life and max_life");
        fault(!(0.1..=0.95).contains(&self.refresh_ahead), "refresh_ahead", "not a part of the life, 0.1 to 0.95");
        fault(!(0.0..=0.5).contains(&self.jitter), "jitter", "not between 0 and 0.5");
        fault(
            self.cool_down < Duration::from_secs(1),
            "cool_down",
            "below 1 s; strangers could make us call out at will",
        );
        fault(
            self.timeout.is_zero() || self.timeout > Duration::from_secs(60),
            "timeout",
            "not above zero and at most 60 s",
        );
        fault(self.wait.is_zero() || self.wait > self.timeout, "wait", "not above zero and at most timeout");
        fault(
            self.first_pause < Duration::from_millis(100) || self.first_pause > self.longest_pause,
            "first_pause",
            "not at least 100 ms and at most longest_pause",
        );
        faults
    }

    /// The life to believe, of the one that an answer names.
    pub(crate) fn life(&self, named: Option<Duration>) -> Duration {
        named.map_or(self.max_age, |life| life.clamp(self.min_life, self.max_life))
    }

    /// When, within `life`, the next fetch begins; spread over processes, the same within one.
    pub(crate) fn refresh_after(&self, life: Duration) -> Duration {
        life.mul_f64((self.refresh_ahead * (1.0 + self.jitter * process_jitter())).clamp(0.05, 0.98))
    }

    /// The pause after this many failures in a row.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled =
            self.first_pause.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let jittered = doubled.min(self.longest_pause).mul_f64(1.0 + self.jitter * process_jitter());
        jittered.clamp(self.first_pause, self.longest_pause)
    }
}

/// A number in -1..1, drawn once a process, so that the instances of a fleet stay apart.
fn process_jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    static JITTER: OnceLock<f64> = OnceLock::new();
    *JITTER.get_or_init(|| {
        let random = RandomState::new().hash_one(0_u8) >> 40; // 24 bits, exact in a double
        random as f64 / f64::from(1_u32 << 23) - 1.0
    })
}
