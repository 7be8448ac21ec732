//! A name in a certificate that an authority signed (`tls_client_auth`, RFC 8705 §2.1).

use std::net::IpAddr;
use std::str::FromStr;

use countersign_core::clock::UnixTime;
use countersign_core::proof::VerifiedCertificate;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// The one name in its certificate that tells a client apart (`tls_client_auth`, RFC 8705 §2.1.2); for
/// [`Client::certificate_name`](crate::Client::certificate_name).
///
/// Every certificate of an accepted authority with this name is the client. So the authority must give the name to nobody else.
///
/// ```
/// use countersign_issuer::{CertificateName, Client};
///
/// let orders = Client::new("orders").certificate_name(CertificateName::uri("spiffe://shop.example/orders")).audiences(["billing"]);
/// let legacy = Client::new("legacy").certificate_name(CertificateName::subject_dn("CN=legacy,O=Shop,C=DE"));
/// # let _ = (orders, legacy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CertificateName(Result<Kind, &'static str>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Subject(Vec<Rdn>),
    Dns(String),
    Uri(String),
    Email(String),
    Ip(IpAddr),
}

/// A part of a distinguished name: attribute types and values, in order.
type Rdn = Vec<(String, String)>;

impl CertificateName {
    /// The whole subject (`tls_client_auth_subject_dn`), as RFC 4514 writes it: `CN=orders,O=Shop,C=DE`. The command
    /// `openssl x509 -noout -subject -nameopt RFC2253,utf8,-esc_msb` prints it so.
    ///
    /// All parts have to be there, in this order. Values are compared byte for byte.
    pub fn subject_dn(name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        let parts = Name::from_str(name).ok().filter(|_| !name.trim().is_empty()).and_then(|name| rdns(&name));
        let problem = "not a distinguished name as RFC 4514 writes it, such as CN=orders,O=Shop,C=DE";
        CertificateName(parts.map(Kind::Subject).ok_or(problem))
    }

    /// A DNS name among the alternative names (`tls_client_auth_san_dns`), in upper or lower case. A wildcard matches nothing.
    pub fn dns(name: impl Into<String>) -> Self {
        let name = name.into();
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = !name.is_empty() && name.len() <= 253 && name.bytes().all(is_label);
        CertificateName(is_name.then_some(Kind::Dns(name)).ok_or("not a DNS name in ASCII, without wildcards"))
    }

    /// A URI among the alternative names (`tls_client_auth_san_uri`), such as a SPIFFE ID, byte for byte.
    pub fn uri(name: impl Into<String>) -> Self {
        let name = name.into();
        let is_uri = name.is_ascii()
            && name.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        CertificateName(
            is_uri.then_some(Kind::Uri(name)).ok_or("not a URI in ASCII, such as spiffe://shop.example/orders"),
        )
    }

    /// An e-mail address among the alternative names (`tls_client_auth_san_email`): its domain in upper or lower case, the rest byte
    /// for byte.
    pub fn email(name: impl Into<String>) -> Self {
        let name = name.into();
        let is_address = name.is_ascii() && mailbox(&name).is_some();
        CertificateName(is_address.then_some(Kind::Email(name)).ok_or("not an e-mail address in ASCII"))
    }

    /// An IP address among the alternative names (`tls_client_auth_san_ip`).
    pub fn ip(address: IpAddr) -> Self {
        CertificateName(Ok(Kind::Ip(address)))
    }

    /// The reason why the name can match nothing.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        self.0.as_ref().err().copied()
    }

    /// Returns whether a certificate, whose chain was verified, is valid now and has this name.
    pub(crate) fn is_in(&self, certificate: &VerifiedCertificate, now: UnixTime) -> bool {
        let (Ok(kind), Ok(certificate)) = (&self.0, Certificate::from_der(certificate.der())) else { return false };
        let certificate = certificate.tbs_certificate();
        // A resumed connection keeps the certificate of its first handshake.
        let [from, until] = [&certificate.validity().not_before, &certificate.validity().not_after]
            .map(|time| UnixTime::from_secs(time.to_unix_duration().as_secs()));
        if now < from || until < now {
            return false;
        }
        if let Kind::Subject(expected) = kind {
            return rdns(certificate.subject()).is_some_and(|found| found == *expected);
        }
        let Ok(Some((_, SubjectAltName(names)))) = certificate.get_extension::<SubjectAltName>() else { return false };
        names.iter().any(|name| match (kind, name) {
            (Kind::Dns(expected), GeneralName::DnsName(name)) => expected.eq_ignore_ascii_case(name.as_str()),
            (Kind::Uri(expected), GeneralName::UniformResourceIdentifier(name)) => expected == name.as_str(),
            (Kind::Email(expected), GeneralName::Rfc822Name(name)) => is_same_mailbox(expected, name.as_str()),
            (Kind::Ip(expected), GeneralName::IpAddress(address)) => match expected {
                IpAddr::V4(expected) => expected.octets() == address.as_bytes(),
                IpAddr::V6(expected) => expected.octets() == address.as_bytes(),
            },
            _ => false,
        })
    }
}

/// The parts of a name, without the kinds of their strings, which RFC 4514 does not write. `None` if a value is no text.
fn rdns(name: &Name) -> Option<Vec<Rdn>> {
    let of_rdn = |rdn: &x509_cert::name::RelativeDistinguishedName| {
        let parts = rdn.iter().map(|part| Some((part.oid.to_string(), text(&part.value)?)));
        let mut parts = parts.collect::<Option<Rdn>>()?;
        parts.sort_unstable();
        Some(parts)
    };
    name.iter_rdn().map(of_rdn).collect()
}

fn text(value: &x509_cert::der::Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        _ => None,
    }
}

/// The local part and the domain.
fn mailbox(address: &str) -> Option<(&str, &str)> {
    address.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

fn is_same_mailbox(one: &str, other: &str) -> bool {
    match (mailbox(one), mailbox(other)) {
        (Some((local, domain)), Some((its_local, its_domain))) => {
            local == its_local && domain.eq_ignore_ascii_case(its_domain)
        }
        _ => false,
    }
}
