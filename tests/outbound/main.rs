//! Calls to other services, against hostile servers on loopback.

mod calls;
mod certificate;
mod cluster;
mod config;
mod discovery;
mod embedded;
mod grants;
mod hostile;
mod outage;
mod proxies;
mod refusals;
mod secrets;
mod servers;
mod shares;
mod stacks;
mod tokens;
