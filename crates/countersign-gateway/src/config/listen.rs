//! The address at which a gateway listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use countersign_core::error::ConfigError;
use serde::{Deserialize, Serialize};

/// The beginning of the text of a Unix socket.
const UNIX: &str = "unix:";

/// The address at which a gateway listens: `127.0.0.1:9001`, or `unix:/run/countersign/gateway.sock`.
///
/// ```
/// use countersign_gateway::ListenAddress;
///
/// let address: ListenAddress = "unix:/run/countersign/gateway.sock".parse()?;
/// assert_eq!(address.to_string(), "unix:/run/countersign/gateway.sock");
/// assert!("localhost".parse::<ListenAddress>().is_err());
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum ListenAddress {
    /// Address and port.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let problem =
            "neither address and port such as 127.0.0.1:9001, nor a file such as unix:/run/countersign/gateway.sock";
        match text.strip_prefix(UNIX) {
            Some(path) if !path.is_empty() => Ok(ListenAddress::Unix(path.into())),
            Some(_) => Err(ConfigError::new("listen", problem)),
            None => text.parse().map(ListenAddress::Tcp).map_err(|_| ConfigError::new("listen", problem)),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}
