//! The limits of a gateway, and the address of its numbers, as data.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use serde::Deserialize;

use crate::swap::Swap;

/// The limits of a gateway. Each has a default, so that the table may be absent.
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_gateway::GatewayConfig;
///
/// let config = GatewayConfig::from_toml(r#"
///     edge = "nginx"
///     listen = "127.0.0.1:9001"
///     policy_file = "policy.toml"
///     routes_file = "routes.json"
///     [limits]
///     max_connections = 64
/// "#).unwrap();
/// assert_eq!(config.limits.max_connections.map(|most| most.get()), Some(64));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// The most open connections of the command. Default 512.
    pub max_connections: Option<NonZero<usize>>,
    /// The most checks in progress of the command; more get 503. Default 4,096.
    pub max_requests: Option<NonZero<usize>>,
    /// The largest head of a request to the command, in bytes. Default 64 KiB, at least 8 KiB.
    pub max_header_bytes: Option<NonZero<u32>>,
    /// The memory for the tokens of each swap, in bytes. Default: 64 MiB of exchanged tokens, 16 MiB of minted ones.
    pub swap_cache_bytes: Option<NonZero<usize>>,
    /// The most requests of each swap that wait for a token; more get 503. Default 2,048.
    pub max_waiting: Option<NonZero<u32>>,
    /// The longest wait for a token of the token service, after which a request gets 503. Default 10 s.
    pub exchange_timeout_seconds: Option<NonZero<u64>>,
}

/// The numbers of a gateway, for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// The address at which the command serves them, at `/metrics`. Whoever reaches it may read them.
    pub listen: SocketAddr,
}

impl LimitsConfig {
    /// The swap with these limits.
    pub(super) fn applied_to(&self, swap: Swap) -> Swap {
        let swap = self.max_waiting.iter().fold(swap, |swap, most| swap.max_waiting(most.get()));
        let timeout = self.exchange_timeout_seconds.map(|seconds| Duration::from_secs(seconds.get()));
        timeout.into_iter().fold(swap, Swap::timeout)
    }
}
