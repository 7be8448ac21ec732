//! Who may ask: clients, what they are allowed, and how they prove who they are.

mod assertion;
mod check;
mod registry;
mod secret;
mod upgrades;

pub(crate) use assertion::AssertionCheck;
pub(crate) use check::SecretCheck;
pub(crate) use registry::Registry;
pub use registry::{Client, ClientSecret};
pub use secret::SecretHash;
pub(crate) use secret::pepper_key;
