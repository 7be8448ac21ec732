//! Certificates that a proxy forwards in a header.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use base64_simd::STANDARD;
use countersign_core::error::Fault;
use countersign_core::integration::safe_text;
use countersign_core::key::Thumbprint;
use http::{HeaderMap, HeaderName, Request};
use ipnet::IpNet;

use super::peer::TlsPeer;

/// The header in which a proxy forwards the certificate of its client.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProxyHeader {
    /// `Client-Cert` (RFC 9440).
    ClientCert,
    /// `X-Forwarded-Client-Cert` of Envoy.
    Envoy,
}

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const ENVOY: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

impl ProxyHeader {
    fn name(self) -> HeaderName {
        match self {
            ProxyHeader::ClientCert => CLIENT_CERT,
            ProxyHeader::Envoy => ENVOY,
        }
    }

    /// The thumbprint of the certificate, if there is one.
    pub(super) fn read(self, headers: &HeaderMap) -> Result<Option<Thumbprint>, &'static str> {
        let mut lines = headers.get_all(self.name()).iter();
        let Some(line) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err("more than one header with a certificate of the client");
        }
        let text = line.to_str().map_err(|_| "the header with the client's certificate is not ASCII")?;
        match self {
            ProxyHeader::ClientCert => client_cert(text),
            ProxyHeader::Envoy => envoy(text),
        }
        .map(Some)
    }

    /// Returns whether the header has the whole certificate, with its names.
    pub(super) const fn has_names(self) -> bool {
        matches!(self, ProxyHeader::ClientCert)
    }

    /// The certificate in DER, if there is exactly one.
    pub(super) fn read_der(self, headers: &HeaderMap) -> Option<Vec<u8>> {
        let mut lines = headers.get_all(self.name()).iter();
        let line = lines.next().filter(|_| self.has_names() && lines.next().is_none())?;
        der_of_client_cert(line.to_str().ok()?)
    }

    /// Removes the headers that an untrusted peer sent.
    pub(super) fn remove_all(headers: &mut HeaderMap) {
        for name in [CLIENT_CERT, CLIENT_CERT_CHAIN, ENVOY] {
            headers.remove(name);
        }
    }

    /// Removes the headers that the proxy does not write, and so passes on from its clients.
    pub(super) fn remove_others(self, headers: &mut HeaderMap) {
        let others: &[HeaderName] = match self {
            ProxyHeader::ClientCert => &[ENVOY],
            ProxyHeader::Envoy => &[CLIENT_CERT, CLIENT_CERT_CHAIN],
        };
        for name in others {
            headers.remove(name);
        }
    }
}

/// Reads a byte sequence (RFC 8941 §3.3.5) that is a certificate in DER.
fn client_cert(text: &str) -> Result<Thumbprint, &'static str> {
    let der = der_of_client_cert(text);
    let der = der.ok_or("Client-Cert is not one certificate between colons, in base64 (RFC 9440)")?;
    Ok(Thumbprint::of_certificate(&der))
}

fn der_of_client_cert(text: &str) -> Option<Vec<u8>> {
    let encoded = text.trim_matches(' ').strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    encoded.and_then(|encoded| STANDARD.decode_to_vec(encoded).ok()).filter(|der| is_der_sequence(der))
}

/// Returns whether the bytes are one ASN.1 sequence of exactly their length, as every certificate is.
fn is_der_sequence(der: &[u8]) -> bool {
    let length = match *der {
        [0x30, short @ 0..=0x7f, ..] => 2 + usize::from(short),
        [0x30, 0x81, one, ..] => 3 + usize::from(one),
        [0x30, 0x82, high, low, ..] => 4 + (usize::from(high) << 8 | usize::from(low)),
        _ => return false,
    };
    length == der.len()
}

/// Reads `Hash` of the only element: the SHA-256 of the certificate in DER, in hexadecimal.
fn envoy(text: &str) -> Result<Thumbprint, &'static str> {
    const WRONG: &str =
        "X-Forwarded-Client-Cert is not the one element with one Hash that Envoy writes with SANITIZE_SET";
    let mut hash = None;
    for pair in pairs(text).ok_or(WRONG)? {
        let (key, value) = pair.split_once('=').ok_or(WRONG)?;
        if key.trim().eq_ignore_ascii_case("hash") && hash.replace(value).is_some() {
            return Err(WRONG);
        }
    }
    hash.and_then(from_hex).ok_or(WRONG)
}

/// The pairs between semicolons; `None` if there is a comma outside of quotes, which separates elements, or a quote without end.
fn pairs(text: &str) -> Option<Vec<&str>> {
    let (mut pairs, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return None,
            b';' if !is_quoted => {
                pairs.push(&text[start..at]); // both ends are ASCII characters
                start = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(&text[start..]);
    (!is_quoted).then_some(pairs)
}

fn from_hex(text: &str) -> Option<Thumbprint> {
    let mut bytes = [0_u8; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Thumbprint::from_bytes(bytes))
}

/// The peers whose headers count.
#[derive(Clone, Debug)]
pub(super) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The networks that can be read; [`faults`](Self::faults) has the others.
    pub(super) fn new(peers: &[String]) -> Self {
        TrustedProxies(peers.iter().filter_map(|peer| network(peer)).collect())
    }

    pub(super) fn faults(peers: &[String]) -> Vec<Fault> {
        const FIELD: &str = "trusted_proxies";
        let wrong = peers.iter().filter(|peer| network(peer).is_none());
        let mut faults: Vec<Fault> = wrong
            .map(|peer| {
                Fault::new(FIELD, format!("\"{}\" is no address and no network such as 10.1.0.0/16", safe_text(peer)))
            })
            .collect();
        if peers.is_empty() {
            faults
                .push(Fault::new(FIELD, "no proxy is named, so no certificate would ever count; name their addresses"));
        }
        let is_wide = |network: IpNet| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 7 };
        if peers.iter().filter_map(|peer| network(peer)).any(is_wide) {
            faults.push(Fault::new(
                FIELD,
                "the network is so wide that clients are in it, who could name any certificate; name those of the proxies",
            ));
        }
        faults
    }

    /// Returns whether one of the proxies sent the request.
    pub(super) fn sent<B>(&self, request: &Request<B>) -> bool {
        let extensions = request.extensions();
        let plain = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
        let peer = plain.or_else(|| extensions.get::<ConnectInfo<TlsPeer>>().map(|ConnectInfo(peer)| peer.address()));
        peer.is_some_and(|peer| {
            let address = peer.ip().to_canonical();
            self.0.iter().any(|network| network.contains(&address))
        })
    }
}

fn network(text: &str) -> Option<IpNet> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    text.parse().ok().or_else(|| address(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "4e1243bd22c66e76c2ba9eddc1f91394e57f9f83aaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn s6_22_a_header_of_envoy_has_one_element_with_one_hash() {
        let good = from_hex(HASH).expect("64 digits");
        for text in [
            format!("Hash={HASH}"),
            format!("By=spiffe://a/b;Hash={HASH};Subject=\"CN=a,O=\\\"b;Hash=0\\\"\";URI=spiffe://c"),
            format!("hash={}", HASH.to_uppercase()),
        ] {
            assert_eq!(envoy(&text), Ok(good), "{text}");
        }
        for text in [
            String::new(),
            "Hash=".into(),
            format!("Hash={HASH}0"),
            format!("Hash=\"{HASH}\""),
            format!("Hash={HASH};Hash={HASH}"),
            format!("Hash={HASH},Hash={HASH}"),
            format!("By=a,Hash={HASH}"),
            format!("Subject=\"a;Hash={HASH}\""),
            format!("Hash={HASH};Subject=\"a"),
            format!("Hash={}+f", &HASH[..62]),
            "URI=spiffe://a".into(),
        ] {
            assert!(envoy(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn s6_22_client_cert_is_one_certificate_in_der() {
        let der = [0x30, 0x03, 1, 2, 3];
        let encoded = STANDARD.encode_to_string(der);
        assert_eq!(client_cert(&format!(":{encoded}:")), Ok(Thumbprint::of_certificate(&der)));
        let longer = STANDARD.encode_to_string([0x30, 0x03, 1, 2, 3, 4]);
        for text in [
            encoded.clone(),
            format!(":{encoded}"),
            format!("::{encoded}::"),
            format!(":{encoded}:, :{encoded}:"),
            format!(":{encoded}:;a=1"),
            format!(":{longer}:"),
            "::".into(),
            ":-----BEGIN CERTIFICATE-----:".into(),
        ] {
            assert!(client_cert(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn s6_22_only_named_proxies_are_trusted() {
        let faulty = |peers: &[&str]| {
            TrustedProxies::faults(&peers.iter().map(|peer| (*peer).to_owned()).collect::<Vec<_>>()).len()
        };
        assert_eq!(faulty(&["10.0.0.5", "10.1.0.0/16", "::1", "fd00::/8"]), 0);
        assert_eq!((faulty(&[]), faulty(&["proxy.internal"]), faulty(&["0.0.0.0/1"]), faulty(&["::/0"])), (1, 1, 1, 1));
        let trusted = TrustedProxies::new(&["10.1.0.0/16".into(), "::1".into()]);
        let sent = |address: &str| {
            let mut request = Request::new(());
            let address: SocketAddr = address.parse().expect("an address");
            request.extensions_mut().insert(ConnectInfo(address));
            trusted.sent(&request)
        };
        assert!(sent("10.1.2.3:80") && sent("[::ffff:10.1.2.3]:80") && sent("[::1]:80"));
        assert!(!sent("10.2.0.1:80") && !sent("[::2]:80") && !trusted.sent(&Request::new(())));
    }
}
