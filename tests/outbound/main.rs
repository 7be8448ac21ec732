//! Calls to other services, against hostile servers on loopback.

mod calls;
mod certificate;
mod embedded;
mod grants;
mod hostile;
mod outage;
mod servers;
mod stacks;
mod tokens;
