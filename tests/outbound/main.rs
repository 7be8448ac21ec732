//! Calls to other services, against hostile servers on loopback.

mod calls;
mod certificate;
mod discovery;
mod embedded;
mod grants;
mod hostile;
mod outage;
mod servers;
mod shares;
mod stacks;
mod tokens;
