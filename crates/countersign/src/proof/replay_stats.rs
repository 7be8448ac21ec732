//! The numbers of a store of used proofs.

/// The numbers of a store of used proofs since it was made, as this instance has seen them.
///
/// ```
/// use countersign::prelude::*;
///
/// fn refused_replays(layer: &AuthenticateLayer) -> u64 {
///     layer.replay_stats().map_or(0, |stats| stats.used)
/// }
/// # let _ = refused_replays;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayStats {
    /// The recorded proofs that still count, if they are in this process.
    pub entries: Option<usize>,
    /// Proofs that were used before ([`ReplayOutcome::Used`](super::ReplayOutcome::Used)).
    pub used: u64,
    /// Proofs that are older than what the store remembers ([`ReplayOutcome::Forgotten`](super::ReplayOutcome::Forgotten)).
    pub forgotten: u64,
    /// Proofs without a place in the share of their caller ([`ReplayOutcome::ShareUsedUp`](super::ReplayOutcome::ShareUsedUp)).
    pub share_used_up: u64,
    /// Proofs while the store was full or not to be reached ([`ReplayOutcome::Unknown`](super::ReplayOutcome::Unknown)).
    pub unknown: u64,
}
