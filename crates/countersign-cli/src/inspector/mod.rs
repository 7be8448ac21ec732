//! The inspector: a page on loopback, embedded in the binary; the library's verifier makes every decision.
//!
//! The page only edits and displays. `request_guard` refuses requests of other pages, `api` serves the page's own.

mod api;
mod open;
mod page;
mod request_guard;
mod server;
mod state;

pub(crate) use server::Arguments;
