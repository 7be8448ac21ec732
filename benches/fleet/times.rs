//! Times from a publication to its effect, one for each verifier.

use countersign_benches::report::short;

/// Seconds, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    /// From moments in microseconds, and those of the publication.
    pub(crate) fn add(&mut self, from: u64, moments: impl IntoIterator<Item = u64>) {
        self.0.extend(moments.into_iter().map(|at| at.saturating_sub(from) as f64 / 1e6));
        self.0.sort_by(f64::total_cmp);
    }

    /// The time within which this part of all is done.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let place = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// Median, 99 % and the longest.
    pub(crate) fn cells(&self) -> [String; 3] {
        [self.quantile(0.5), self.quantile(0.99), self.max()].map(short)
    }
}
