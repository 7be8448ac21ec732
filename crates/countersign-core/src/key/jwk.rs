//! JWK members (RFC 7517, 7518 §6, 8037, 9964): form, purpose and strength.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::rejected::{KeyRejected, KeyRejectedKind as Kind};
use super::roca::is_roca;
use crate::algorithm::Algorithm;
use crate::token::{decode_base64url, encode_base64url as encode};

/// The largest RSA modulus used, in bits: with larger ones, a cheap request costs an expensive check.
const MAX_RSA_BITS: usize = 8192;

/// The `use` of keys for JWT-SVIDs in a SPIFFE trust bundle.
const JWT_SVID: &str = "jwt-svid";

/// The smallest RSA modulus (RFC 7518 §3.3), in bits.
const MIN_RSA_BITS: usize = 2048;

/// A JWK's members as written. serde refuses duplicate ones; unknown ones are ignored (RFC 7517 §4).
#[derive(Deserialize)]
pub(crate) struct JwkFields {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    #[serde(rename = "pub")]
    public: Option<String>,
    k: Option<Private>,
    d: Option<Private>,
    p: Option<Private>,
    q: Option<Private>,
    dp: Option<Private>,
    dq: Option<Private>,
    qi: Option<Private>,
    oth: Option<Private>,
    #[serde(rename = "priv")]
    private: Option<Private>,
}

/// A private member, which is not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Private {
    /// An empty text or list, which gives nothing away.
    Empty,
    Present,
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrivateVisitor)
    }
}

struct PrivateVisitor;

impl<'de> Visitor<'de> for PrivateVisitor {
    type Value = Private;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Private, E> {
        Ok(if text.is_empty() { Private::Empty } else { Private::Present })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Private, A::Error> {
        let mut found = Private::Empty;
        while list.next_element::<IgnoredAny>()?.is_some() {
            found = Private::Present;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Private, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Private::Present)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Private, E> {
        Ok(Private::Present)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Private, E> {
        Ok(Private::Present)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Private, E> {
        Ok(Private::Present)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Private, E> {
        Ok(Private::Present)
    }
}

/// The numbers of a public key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PublicFields {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Okp { x: Vec<u8> },
    Akp { public: Vec<u8> },
}

/// The curves of RFC 7518 §6.2.1.1 that have an algorithm here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    const fn coordinate_bytes(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Curve::P256 => Algorithm::ES256,
            Curve::P384 => Algorithm::ES384,
            Curve::P521 => Algorithm::ES512,
        }
    }

    fn named(name: Option<&str>) -> Option<Self> {
        [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| Some(curve.name()) == name)
    }

    fn of(algorithm: Algorithm) -> Option<Self> {
        [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.algorithm() == algorithm)
    }
}

impl JwkFields {
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns whether this entry has private or symmetric members, which must never be published.
    pub(crate) fn is_secret(&self) -> bool {
        self.kty == "oct" || self.private_members().any(|member| member == Private::Present)
    }

    /// Returns whether the entry is public, and for encryption only.
    pub(crate) fn is_for_encryption(&self) -> bool {
        self.purpose.as_deref() == Some("enc") && !self.is_secret()
    }

    fn private_members(&self) -> impl Iterator<Item = Private> {
        let members = [self.k, self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth, self.private];
        members.into_iter().flatten()
    }

    /// `alg`, unless it is empty.
    pub(crate) fn algorithm_name(&self) -> Option<&str> {
        self.alg.as_deref().filter(|name| !name.is_empty())
    }

    pub(crate) fn is_unlabelled_rsa(&self) -> bool {
        self.kty == "RSA" && self.algorithm_name().is_none()
    }

    /// An error unless `use` and `key_ops` permit checking signatures and the entry is public. Empty ones say nothing.
    pub(crate) fn check_purpose(&self) -> Result<(), KeyRejected> {
        self.check_use("sig", "use is not sig")
    }

    /// The same for an entry of a SPIFFE trust bundle, which must have a `kid`.
    pub(crate) fn check_svid_purpose(&self) -> Result<(), KeyRejected> {
        const OTHER: &str = "use is not jwt-svid; keys of a trust domain without a use are no trust bundle, but a JWK Set: read them as one";
        self.check_use(JWT_SVID, OTHER)?;
        match (self.purpose.as_deref(), self.key_id()) {
            (None | Some(""), _) => Err(KeyRejected::new(Kind::WrongPurpose, OTHER)),
            (_, Some(key_id)) if !key_id.is_empty() => Ok(()),
            _ => Err(KeyRejected::new(Kind::Malformed, "a key for JWT-SVIDs has no kid")),
        }
    }

    fn check_use(&self, expected: &str, other: &'static str) -> Result<(), KeyRejected> {
        if self.is_secret() {
            return Err(KeyRejected::new(
                Kind::PrivateKey,
                "private or symmetric material in a public set; the key is compromised",
            ));
        }
        let purpose = self.purpose.as_deref().filter(|purpose| !purpose.is_empty());
        if purpose.is_some_and(|purpose| purpose != expected) {
            return Err(KeyRejected::new(Kind::WrongPurpose, other));
        }
        let operations = self.key_ops.as_deref().unwrap_or_default();
        if !operations.is_empty() && !operations.iter().any(|operation| operation == "verify") {
            return Err(KeyRejected::new(Kind::WrongPurpose, "key_ops lacks verify"));
        }
        let signs = |operation: &String| operation == "verify" || operation == "sign";
        if purpose.is_some() && !operations.iter().all(signs) {
            return Err(KeyRejected::new(Kind::WrongPurpose, "key_ops contradicts use, which is sig (RFC 7517 §4.3)"));
        }
        Ok(())
    }

    /// Deviations in its form, each once. Meaningful for an entry that is used.
    pub(crate) fn irregularities(&self) -> Vec<&'static str> {
        let numbers = [&self.n, &self.e, &self.x, &self.y, &self.public];
        let mut found = Vec::new();
        if numbers.into_iter().flatten().any(|text| text.ends_with('=')) {
            found.push("a number is padded with = (RFC 7515 §2)");
        }
        let read = |member: &Option<String>| member.is_some().then(|| octets(member).ok()).flatten();
        if [&self.n, &self.e].into_iter().filter_map(read).any(|bytes| bytes.first() == Some(&0)) {
            found.push("a number begins with a zero octet (RFC 7518 §2)");
        }
        if let Some(curve) = Curve::named(self.crv.as_deref())
            && [&self.x, &self.y].into_iter().filter_map(read).any(|bytes| bytes.len() != curve.coordinate_bytes())
        {
            found.push("a coordinate does not have the curve's full length (RFC 7518 §6.2.1)");
        }
        let is_empty = |member: &Option<String>| member.as_deref() == Some("");
        let operations = self.key_ops.as_deref();
        if is_empty(&self.alg) || is_empty(&self.purpose) || operations.is_some_and(<[String]>::is_empty) {
            found.push("alg, use or key_ops is empty; it says nothing");
        }
        let operations = operations.unwrap_or_default();
        if (1..operations.len()).any(|i| operations[..i].contains(&operations[i])) {
            found.push("key_ops names an operation twice (RFC 7517 §4.3)");
        }
        if self.private_members().any(|member| member == Private::Empty) {
            found.push("a private member is present and empty");
        }
        found
    }

    /// The key's numbers and its one algorithm.
    pub(crate) fn public(&self) -> Result<(PublicFields, Algorithm), KeyRejected> {
        let named = match self.algorithm_name() {
            None => None,
            Some(name) => Some(
                Algorithm::from_name(name)
                    .ok_or(KeyRejected::new(Kind::Unsupported, "alg is not a supported signature algorithm"))?,
            ),
        };
        let (public, default) = match self.kty.as_str() {
            "RSA" => (PublicFields::Rsa { n: number(&self.n)?, e: number(&self.e)? }, Algorithm::RS256),
            "EC" => {
                let curve = Curve::named(self.crv.as_deref())
                    .ok_or(KeyRejected::new(Kind::Unsupported, "crv is not P-256, P-384 or P-521"))?;
                let coordinate = |member| coordinate(member, curve.coordinate_bytes());
                (PublicFields::Ec { curve, x: coordinate(&self.x)?, y: coordinate(&self.y)? }, curve.algorithm())
            }
            "OKP" if self.crv.as_deref() == Some("Ed25519") => {
                (PublicFields::Okp { x: octets(&self.x)? }, Algorithm::Ed25519)
            }
            "OKP" => return Err(KeyRejected::new(Kind::Unsupported, "crv is not Ed25519")),
            "AKP" => {
                let algorithm =
                    named.ok_or(KeyRejected::new(Kind::Malformed, "an AKP key must name its alg (RFC 9964)"))?;
                (PublicFields::Akp { public: octets(&self.public)? }, algorithm)
            }
            _ => return Err(KeyRejected::new(Kind::Unsupported, "kty is not RSA, EC, OKP or AKP")),
        };
        let algorithm = named.unwrap_or(default);
        if !public.fits(algorithm) {
            return Err(KeyRejected::new(Kind::WrongAlgorithm, "alg does not fit kty and crv"));
        }
        Ok((public, algorithm))
    }
}

impl PublicFields {
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{Ed25519, EdDSA, MlDsa44, MlDsa65, MlDsa87};
        match self {
            PublicFields::Rsa { .. } => Algorithm::RSA.contains(&algorithm),
            PublicFields::Ec { curve, .. } => curve.algorithm() == algorithm,
            PublicFields::Okp { .. } => matches!(algorithm, Ed25519 | EdDSA),
            PublicFields::Akp { .. } => matches!(algorithm, MlDsa44 | MlDsa65 | MlDsa87),
        }
    }

    /// Checks the sizes of an RSA key against the bounds of this crate, which costs nothing.
    pub(crate) fn check_rsa_size(&self) -> Result<(), KeyRejected> {
        let PublicFields::Rsa { n, e } = self else { return Ok(()) };
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(KeyRejected::new(Kind::Weak, "the RSA modulus does not have 2048 to 8192 bits"));
        }
        let exponent = e.iter().take(5).fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        if e.len() > 4 || exponent < 65_537 || exponent.is_multiple_of(2) {
            return Err(KeyRejected::new(Kind::Weak, "the RSA exponent is even, below 65537 or above 32 bits"));
        }
        Ok(())
    }

    /// Checks sizes and values against RFC 7518 and the bounds of this crate.
    pub(crate) fn check_strength(&self) -> Result<(), KeyRejected> {
        match self {
            PublicFields::Rsa { n, .. } => {
                self.check_rsa_size()?;
                if is_roca(n) {
                    return Err(KeyRejected::new(
                        Kind::Weak,
                        "the RSA modulus comes from a faulty generator (CVE-2017-15361); the key is compromised",
                    ));
                }
            }
            PublicFields::Ec { curve, x, y } => {
                let bytes = curve.coordinate_bytes();
                if x.len() != bytes || y.len() != bytes {
                    return Err(KeyRejected::new(
                        Kind::Malformed,
                        "a coordinate does not have the curve's full length (RFC 7518 §6.2.1)",
                    ));
                }
            }
            PublicFields::Okp { x } => {
                if x.len() != 32 || is_low_order(x) || is_beyond_prime(x) {
                    return Err(KeyRejected::new(Kind::Weak, "x is not a usable Ed25519 public key"));
                }
            }
            PublicFields::Akp { .. } => {} // aws-lc-rs accepts only the exact length
        }
        Ok(())
    }

    /// The JWK of these numbers, with `alg` and `use`, and with `kid` if there is one.
    pub(crate) fn to_jwk(&self, algorithm: Algorithm, key_id: Option<&str>) -> Value {
        let mut jwk = match self {
            PublicFields::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
            PublicFields::Ec { curve, x, y } => {
                json!({ "kty": "EC", "crv": curve.name(), "x": encode(x), "y": encode(y) })
            }
            PublicFields::Okp { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
            PublicFields::Akp { public } => json!({ "kty": "AKP", "pub": encode(public) }),
        };
        if let Some(key_id) = key_id {
            jwk["kid"] = json!(key_id);
        }
        jwk["alg"] = json!(algorithm.name());
        jwk["use"] = json!("sig");
        jwk
    }

    /// Reads the numbers from a `SubjectPublicKeyInfo` written by aws-lc-rs, whose form is known.
    pub(crate) fn from_spki(spki: &[u8], algorithm: Algorithm) -> Result<Self, KeyRejected> {
        use aws_lc_rs::signature::RsaPublicKeyComponents;
        let short = KeyRejected::new(Kind::WrongAlgorithm, "the key does not fit the algorithm");
        let tail = |length: usize| spki.len().checked_sub(length).map(|start| &spki[start..]).ok_or(short.clone());
        if let Some(curve) = Curve::of(algorithm) {
            let coordinates = tail(2 * curve.coordinate_bytes())?;
            let (x, y) = coordinates.split_at(curve.coordinate_bytes());
            return Ok(PublicFields::Ec { curve, x: x.to_vec(), y: y.to_vec() });
        }
        Ok(match algorithm {
            Algorithm::Ed25519 | Algorithm::EdDSA => PublicFields::Okp { x: tail(32)?.to_vec() },
            Algorithm::MlDsa44 => PublicFields::Akp { public: tail(1312)?.to_vec() },
            Algorithm::MlDsa65 => PublicFields::Akp { public: tail(1952)?.to_vec() },
            Algorithm::MlDsa87 => PublicFields::Akp { public: tail(2592)?.to_vec() },
            _ => {
                let key = aws_lc_rs::rsa::PublicKey::from_der(spki).map_err(|_| short)?;
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(&key);
                PublicFields::Rsa { n, e }
            }
        })
    }
}

/// Points of order 1, 2, 4 and 8.
fn is_low_order(x: &[u8]) -> bool {
    const LOW_ORDER_Y: [[u8; 32]; 5] = {
        let mut points = [[0_u8; 32]; 5];
        points[1][0] = 1;
        points[2] = [0xff; 32];
        points[2][0] = 0xec;
        points[2][31] = 0x7f;
        points[3] = hex_32(b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
        points[4] = hex_32(b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        points
    };
    LOW_ORDER_Y.iter().any(|point| point[..31] == x[..31] && point[31] == x[31] & 0x7f)
}

/// Returns whether y, of 32 octets, is not below the prime 2^255 - 19: a non-canonical encoding of a small y (RFC 8032 §5.1.3).
fn is_beyond_prime(x: &[u8]) -> bool {
    x[0] >= 0xed && x[1..31].iter().all(|octet| *octet == 0xff) && x[31] & 0x7f == 0x7f
}

const fn hex_32(text: &[u8; 64]) -> [u8; 32] {
    const fn digit(byte: u8) -> u8 {
        if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 }
    }
    let mut bytes = [0; 32];
    let mut index = 0;
    while index < 32 {
        bytes[index] = digit(text[2 * index]) << 4 | digit(text[2 * index + 1]);
        index += 1;
    }
    bytes
}

/// The octets of a member. Padding is taken, although base64url has none (RFC 7515 §2).
fn octets(member: &Option<String>) -> Result<Vec<u8>, KeyRejected> {
    let text = member.as_deref().ok_or(KeyRejected::new(Kind::Malformed, "a required member is missing"))?;
    let padding = text.len() - text.trim_end_matches('=').len();
    let (text, is_padded_well) = (&text[..text.len() - padding], padding == 0 || text.len().is_multiple_of(4));
    decode_base64url(text)
        .filter(|bytes| !bytes.is_empty() && is_padded_well && padding <= 2)
        .ok_or(KeyRejected::new(Kind::Malformed, "a member is not canonical base64url"))
}

/// A number without its leading zero octets (RFC 7518 §2), which would change the thumbprint.
fn number(member: &Option<String>) -> Result<Vec<u8>, KeyRejected> {
    let bytes = octets(member)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

/// A coordinate in its full length (RFC 7518 §6.2.1): zero octets in front are added or removed.
fn coordinate(member: &Option<String>, length: usize) -> Result<Vec<u8>, KeyRejected> {
    let bytes = number(member)?;
    let Some(missing) = length.checked_sub(bytes.len()) else {
        return Err(KeyRejected::new(Kind::Malformed, "a coordinate is longer than the curve's (RFC 7518 §6.2.1)"));
    };
    Ok([vec![0; missing], bytes].concat())
}
