//! Calls to other services, against hostile servers on loopback.

mod calls;
mod servers;
mod tokens;
