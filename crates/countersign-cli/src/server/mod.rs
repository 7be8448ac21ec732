//! The HTTP server of the inspector and of the token service. Every wait for a client has a limit.

mod connections;
mod head;
mod headers;
mod limits;
mod listener;
mod open_files;
mod serve;
mod shutdown;
mod stream;

pub(crate) use head::{is_from_another_page, only};
pub(crate) use headers::{add_headers, with_headers};
pub(crate) use limits::Limits;
pub(crate) use listener::Listener;
pub(crate) use serve::{serve, serve_guarded};
pub(crate) use shutdown::shutdown_signal;

#[cfg(test)]
mod tests;
