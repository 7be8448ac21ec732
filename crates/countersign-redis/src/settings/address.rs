//! The address of a server, and the credential for it.

use std::net::IpAddr;
use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// A server, and whether it is reached with TLS.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) endpoint: Endpoint,
    pub(crate) is_tls: bool,
    /// The database, and the user with the password.
    pub(crate) login: RedisConnectionInfo,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Address {
    /// Reads a URL, or returns what is wrong with it.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        const FORMS: &str = "the URL is not readable; write it as redis://host:6379, rediss://user:password@host:6379 or \
                             unix:///run/redis/redis.sock, with % before reserved characters of the password";
        if url.contains('#') {
            return Err(
                "the URL has a fragment (#); write # in a password as %23, and leave out #insecure: certificates are always checked",
            );
        }
        let (is_tls, plain) = match url.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (true, format!("redis://{rest}")),
            Some(_) => (false, url.to_owned()),
            None => return Err(FORMS),
        };
        let info: ConnectionInfo = plain.into_connection_info().map_err(|_| FORMS)?;
        let endpoint = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Endpoint::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Endpoint::Unix(path.clone()),
            _ => return Err(FORMS),
        };
        // The name of the library is of no use to the server, and the command would need one more permission.
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Address { endpoint, is_tls, login })
    }

    /// The same server at another place, which sentinels named.
    pub(crate) fn at(&self, host: String, port: u16) -> Self {
        Address { endpoint: Endpoint::Tcp(host, port), ..self.clone() }
    }

    /// The host as a name that sentinels know, if it can be one.
    pub(crate) fn name(&self) -> Option<&str> {
        let Endpoint::Tcp(name, _) = &self.endpoint else { return None };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_plain)).then_some(name)
    }

    /// Returns whether somebody between could read and change what is sent.
    pub(crate) fn is_exposed(&self) -> bool {
        let Endpoint::Tcp(host, _) = &self.endpoint else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.is_tls && !is_local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_urls() {
        for (url, is_tls, is_exposed, user) in [
            ("redis://127.0.0.1", false, false, None),
            ("redis://[::1]:6380/2", false, false, None),
            ("redis://localhost:6379", false, false, None),
            ("redis://redis.internal", false, true, None),
            ("rediss://orders:p%23w@redis.internal:6380", true, false, Some("orders")),
            ("valkeys://redis.internal", true, false, None),
            ("unix:///run/redis/redis.sock?user=orders&pass=pw", false, false, Some("orders")),
        ] {
            let address = Address::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
            assert_eq!((address.is_tls, address.is_exposed()), (is_tls, is_exposed), "{url}");
            assert_eq!(address.login.username(), user, "{url}");
        }
        let address = Address::parse("rediss://orders:p%23w@redis.internal").expect("a URL");
        assert_eq!(address.login.password(), Some("p#w"));
        for url in ["", "redis.internal", "http://redis.internal", "rediss://h:6379/#insecure", "redis://h:99999"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
