//! Calls to other services, against hostile servers on loopback.

mod calls;
mod grants;
mod hostile;
mod outage;
mod servers;
mod tokens;
