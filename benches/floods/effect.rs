//! What a load did to the good requests.

use std::time::Duration;

/// The good requests after and beside a load.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// After each request of the load, the first good one.
    pub(crate) first: Times,
    pub(crate) second: Times,
    /// While the load goes on.
    pub(crate) beside: Times,
}

impl Effect {
    fn all(&self) -> [&Times; 3] {
        [&self.first, &self.second, &self.beside]
    }

    /// The share of requests that were served, in percent.
    pub(crate) fn share(&self) -> f64 {
        let (served, sent) =
            self.all().iter().fold((0, 0), |(served, sent), times| (served + times.served, sent + times.took.len()));
        100.0 * served as f64 / sent as f64
    }

    pub(crate) fn are_all_served(&self) -> bool {
        self.all().iter().all(|times| times.served == times.took.len())
    }
}

/// The times of requests.
#[derive(Debug, Default)]
pub(crate) struct Times {
    served: usize,
    took: Vec<Duration>,
}

impl Times {
    pub(crate) fn add(&mut self, (took, is_served): (Duration, bool)) {
        self.took.push(took);
        self.served += usize::from(is_served);
    }

    /// The median, which what else runs on the machine moves least.
    pub(crate) fn median(&self) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        took[took.len() / 2].as_secs_f64()
    }

    /// The mean of the times up to the 99th percentile, which shows waiting that half of the requests do not see.
    pub(crate) fn mean(&self) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        took.truncate((took.len() * 99).div_ceil(100));
        took.iter().sum::<Duration>().as_secs_f64() / took.len() as f64
    }
}
