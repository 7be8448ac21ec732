//! Budgets for work that clients cause: shares per key, a bound over all keys, and an order among those that wait.
//!
//! Without shares, whoever asks most often gets everything. Two rules prevent that, whatever the number of keys:
//!
//! - A key gets a unit only while it has fewer than are still free. A single busy key therefore takes at most half of the
//!   bound, two take a third each, and a key that has nothing yet finds room.
//! - [Newcomers](Standing::New) together take at most as many units as stay free. Half of the bound is thus out of reach of
//!   keys that anybody can invent.
//!
//! | shape | type | a unit comes back |
//! |---|---|---|
//! | rate | [`RateBudget`] | at the end of its window of time |
//! | occupancy | [`OccupancyBudget`] | when its [`Permit`] is dropped |
//! | occupancy, in levels | [`NestedBudget`] | when its [`NestedPermit`] is dropped |
//! | the same, under a lock of the owner | [`NestedUnits`] | when its [`NestedUnit`] is given back |
//!
//! [`RankedQueue`] orders keys that found no unit: those that were good before, then those that most requests ask for and,
//! by lot, all others.
//!
//! Memory is bounded by the bound itself: only keys that have a unit are counted. Keys are hashed with a random seed. Times
//! are readings of the clock's `elapsed`, so that a change of the wall clock has no effect.

mod nested;
mod nested_units;
mod occupancy;
mod queue;
mod rate;
mod shares;

pub use nested::{NestedBudget, NestedPermit};
pub use nested_units::{NestedUnit, NestedUnits};
pub use occupancy::{OccupancyBudget, Permit};
pub use queue::RankedQueue;
pub use rate::{RateBudget, Spent};
pub use shares::{OverBudget, Standing, fair_share};
