//! The rules of a policy. Each [`Rule`] decides, and reports the values that it compares.

mod claims;
mod header;
mod names;
mod order;
mod rule;
mod times;
mod transaction;

pub(super) use order::{RULES, check, check_claims};
pub(super) use rule::Case;
pub(super) use times::{is_early, is_expired};
