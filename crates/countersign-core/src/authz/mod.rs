//! Authorization: authorities read from claims, and requirements evaluated against them.

mod authorities;
mod client;
mod decision;
mod demand;
mod grants;
mod hierarchy;
pub(crate) mod names;
mod names_claim;
pub(crate) mod namespaces;
mod pointer;
#[cfg(test)]
mod properties;
pub(crate) mod requirement;
mod unknown;

pub use authorities::Authorities;
pub use client::OwnTokens;
pub use decision::{Decision, Denial};
pub use demand::Demand;
pub use grants::Grants;
pub(crate) use hierarchy::Hierarchy;
pub use names_claim::NamesClaim;
pub use requirement::*;
pub(crate) use unknown::Fact;
