//! The atomic numbers of [`states`](super::states). The test of interleavings has those of its scheduler in their place.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
