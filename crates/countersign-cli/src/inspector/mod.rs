//! The inspector: one page on loopback, everything in the binary, every judgement made by the verifier itself.
//!
//! The page edits, shows and asks; it decides nothing. `fence` keeps other pages out, `api` answers.

mod api;
mod bench;
mod fence;
mod open;
mod page;
mod server;

pub(crate) use server::Arguments;
