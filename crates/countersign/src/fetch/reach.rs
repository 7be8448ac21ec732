//! The networks that a fetch may reach. An address that an untrusted client can choose must not be a private one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Response, Url};

use super::failure::{FetchFailure, NotPublic};

/// The addresses that a fetch may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any address that the operator configured, with HTTPS.
    Anywhere,
    /// The same, also with plain HTTP, which the operator explicitly allowed.
    AnywhereInPlainHttp,
    /// Public addresses only, because the operator did not configure the address.
    PublicOnly,
}

/// Refuses a host that is a literal private address, which the resolver never sees.
pub(super) fn refuse_private_literal(url: &Url) -> Result<(), FetchFailure> {
    if is_private_literal(url) { Err(FetchFailure::NotPublic) } else { Ok(()) }
}

/// Returns whether the host is a literal address that is not public.
pub(super) fn is_private_literal(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok_and(|address| !is_public(address))
}

/// Refuses a response from a private address.
pub(super) fn refuse_private_peer(response: &Response) -> Result<(), FetchFailure> {
    match response.remote_addr() {
        Some(peer) if !is_public(peer.ip()) => Err(FetchFailure::NotPublic),
        _ => Ok(()),
    }
}

/// Resolves host names to public addresses only. The client connects to exactly these addresses, without resolving the name
/// again: a name that changes its address between check and use (DNS rebinding) has no effect.
pub(super) struct PublicNames<L>(Arc<L>);

impl PublicNames<fn(&str) -> std::io::Result<Vec<SocketAddr>>> {
    /// Uses the system's resolver.
    pub(super) fn from_system() -> Self {
        PublicNames::new(|name| (name, 0).to_socket_addrs().map(Iterator::collect))
    }
}

impl<L> PublicNames<L> {
    fn new(lookup: L) -> Self {
        PublicNames(Arc::new(lookup))
    }
}

impl<L> Resolve for PublicNames<L>
where
    L: Fn(&str) -> std::io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
{
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || lookup(name.as_str())).await??;
            // A single private address disqualifies the name.
            if found.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Returns whether the address is a public one, by the registries of RFC 6890 and their later entries.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127, ..) => true,                // this network, private, loopback
        (100, 64..=127, _) => true,                // carrier-grade NAT
        (169, 254, _) => true,                     // link-local, with the clouds' metadata services
        (172, 16..=31, _) | (192, 168, _) => true, // private
        (192, 0, 0 | 2) => true,                   // protocol assignments, documentation
        (192, 88, 99) => true,                     // 6to4 relays
        (198, 18 | 19, _) => true,                 // benchmarks
        (198, 51, 100) | (203, 0, 113) => true,    // documentation
        (224.., ..) => true,                       // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64 (RFC 6052): the embedded address counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        [0x2001, 0..=0x1ff, ..] => false,        // protocol assignments, with Teredo
        [0x2001, 0xdb8, ..] => false,            // documentation
        [0x2002, ..] => false,                   // 6to4: embeds another address
        [0x3fff, 0..=0xfff, ..] => false,        // documentation
        [first, ..] => first & 0xe000 == 0x2000, // all other global addresses are in 2000::/3
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const PUBLIC: [&str; 6] =
        ["1.1.1.1", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1111", "64:ff9b::101:101"];

    const PRIVATE: [&str; 33] = [
        "0.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "127.0.0.1",
        "127.8.8.8",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:1.1.1.1",
        "::127.0.0.1",
        "fe80::1",
        "fc00::1",
        "fd00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
    ];

    fn names(lookup: impl Fn(&str) -> std::io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> impl Resolve {
        PublicNames::new(lookup)
    }

    async fn resolve(names: &impl Resolve) -> Result<Vec<SocketAddr>, String> {
        let name = "id.example".parse().expect("a name");
        names.resolve(name).await.map(Iterator::collect).map_err(|error| error.to_string())
    }

    fn socket(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().expect("an address"), 0)
    }

    #[test]
    fn s4_25_private_addresses_in_every_notation() {
        for address in PUBLIC {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
        for address in PRIVATE {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn s4_25_a_literal_host_is_checked_as_the_url_parser_reads_it() {
        for host in
            ["127.1", "2130706433", "0x7f.1", "017700000001", "[::ffff:10.0.0.1]", "169.254.169.254", "[fd00::1]"]
        {
            let url = Url::parse(&format!("https://{host}/x")).expect("a URL");
            assert_eq!(refuse_private_literal(&url), Err(FetchFailure::NotPublic), "{host}");
        }
        for host in ["1.1.1.1", "[2606:4700::1111]", "id.example"] {
            let url = Url::parse(&format!("https://{host}/x")).expect("a URL");
            assert_eq!(refuse_private_literal(&url), Ok(()), "{host}");
        }
    }

    #[tokio::test]
    async fn s4_25_a_name_with_a_private_address_among_public_ones_is_refused() {
        for address in PRIVATE {
            let names = names(move |_| Ok(vec![socket("1.1.1.1"), socket(address)]));
            assert!(resolve(&names).await.is_err_and(|error| error.contains("private")), "{address}");
        }
        let names = names(|_| Ok(PUBLIC.map(socket).to_vec()));
        assert_eq!(resolve(&names).await.map(|found| found.len()), Ok(PUBLIC.len()));
    }

    #[tokio::test]
    async fn s4_25_a_name_that_changes_between_two_lookups_is_checked_at_each() {
        let answers = Mutex::new(vec!["10.0.0.1", "1.1.1.1"]); // taken from the end
        let names = names(move |_| Ok(vec![socket(answers.lock().expect("sound").pop().expect("asked twice"))]));
        assert_eq!(resolve(&names).await, Ok(vec![socket("1.1.1.1")]));
        assert!(resolve(&names).await.is_err());
    }

    #[tokio::test]
    async fn s4_25_no_connection_is_made_to_a_name_with_a_private_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("nonblocking");
        let port = listener.local_addr().expect("an address").port();
        let inside = |_: &str| Ok(vec![socket("127.0.0.1")]);
        let client = super::super::client::bounded(reqwest::Client::builder());
        let client = client.no_proxy().dns_resolver(Arc::new(names(inside))).build().expect("a client");
        let error = client.get(format!("http://id.example:{port}/")).send().await.expect_err("refused");
        assert_eq!(FetchFailure::from_reqwest(&error), FetchFailure::NotPublic);
        assert!(listener.accept().is_err(), "nobody connected");
    }
}
