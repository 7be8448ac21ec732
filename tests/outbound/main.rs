//! Calls to other services, against hostile servers on loopback.

mod calls;
mod certificate;
mod cluster;
mod config;
mod discovery;
mod dpop;
mod dpop_layer;
mod dpop_peers;
mod dpop_stacks;
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
