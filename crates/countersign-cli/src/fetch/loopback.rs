//! Hosts of this machine.

use std::net::{IpAddr, Ipv4Addr};

/// The IP address of a literal host (IPv6 with or without brackets) or of `localhost`. Resolves nothing.
pub(crate) fn literal_ip(host: &str) -> Option<IpAddr> {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        literal => literal.parse().ok(),
    }
}

/// Returns whether `host` is `localhost` or a literal loopback address.
pub(crate) fn is_loopback(host: &str) -> bool {
    literal_ip(host).is_some_and(|ip| ip.is_loopback())
}
