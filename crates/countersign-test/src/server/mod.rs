//! The HTTP server of the kit, on loopback. Every wait for a client has a limit.

mod connections;
mod serve;

pub(crate) use serve::{Server, until_stopped};

#[cfg(test)]
mod tests;
