//! The peers that may ask.

use std::net::IpAddr;

use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::safe_text;
use ipnet::IpNet;

/// The addresses of the edges. Only they may ask.
///
/// ```
/// use countersign_gateway::TrustedPeers;
///
/// let peers = TrustedPeers::new(["10.1.0.0/16", "10.2.0.7"])?;
/// assert!(peers.contains("10.1.2.3".parse().unwrap()) && !peers.contains("127.0.0.1".parse().unwrap()));
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers(Vec<IpNet>);

impl TrustedPeers {
    /// Reads addresses and networks (CIDR).
    ///
    /// # Errors
    /// `ConfigError` on field `trusted_peers` for a text that is neither, and for a network that contains every address.
    pub fn new(networks: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, ConfigError> {
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for text in networks {
            let text = text.as_ref();
            let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            let problem = match network {
                Some(network) if network.prefix_len() == 0 => "every address is trusted; name those of the edge",
                Some(network) => {
                    read.push(network.trunc());
                    continue;
                }
                None => "neither an address nor a network; write one such as 10.1.0.0/16",
            };
            faults.push(Fault::new("trusted_peers", format!("{}: {problem}", safe_text(text))));
        }
        ConfigError::check(faults)?;
        Ok(TrustedPeers(read))
    }

    /// The addresses of this machine.
    #[must_use]
    pub fn loopback() -> Self {
        let networks = ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok());
        TrustedPeers(networks.collect())
    }

    /// Returns whether this peer may ask.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }
}
