//! The recipes of the forgeries, each made from a token that would be accepted.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use serde_json::{Map, Value, json};

use super::Attack;
use super::public_key::{ecdsa_der, pem, spki};
use crate::draft::TokenDraft;

/// An hour, beyond any leeway.
const FAR: Duration = Duration::from_secs(3600);

/// A URL that must never be fetched.
const ATTACKER_URL: &str = "https://attacker.test/keys";

/// The `kid` of the attacker's own key.
const ATTACKER_KEY_ID: &str = "attacker-1";

impl TokenDraft {
    /// Forges the token in this way when it is signed. [`Attack`] shows the loop over all attacks.
    pub fn hostile(self, attack: Attack) -> Self {
        self.forged(attack.name(), move |draft| attack.forge(draft))
    }
}

impl Attack {
    fn forge(self, draft: &TokenDraft) -> String {
        let forge = Forge { draft, header: draft.header_members(), claims: draft.claims().clone() };
        forge
            .form(self)
            .or_else(|| forge.algorithm(self))
            .or_else(|| forge.key(self))
            .or_else(|| forge.opaque(self))
            .unwrap_or_else(|| forge.claim(self))
    }
}

/// The honest parts of a token to be forged.
struct Forge<'d> {
    draft: &'d TokenDraft,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Forge<'_> {
    /// Attacks on the encoding: segments, base64, JSON, critical extensions.
    fn form(&self, attack: Attack) -> Option<String> {
        let honest = self.draft.sign_honestly();
        let (header, payload, signature) = segments(&honest);
        let claims = self.draft.claims_json();
        let claims_with = |member: &str| format!("{{{member},{}", &claims[1..]);
        Some(match attack {
            Attack::TwoSegments => format!("{header}.{payload}"),
            Attack::FourSegments => format!("{honest}.{signature}"),
            Attack::JweShape => {
                format!("{}.{signature}.{signature}.{payload}.{signature}", encode(br#"{"alg":"dir"}"#))
            }
            Attack::JsonSerialization => {
                json!({ "payload": payload, "protected": header, "signature": signature }).to_string()
            }
            Attack::PaddedBase64 => format!("{honest}="),
            Attack::TrailingBits => self.trailing_bits(),
            Attack::ImpossibleLength => format!("{honest}{}", "A".repeat((5 - signature.len() % 4) % 4)),
            Attack::Oversize => self.with_claim("padding", "x".repeat(64 * 1024)),
            Attack::OversizeHeader => self.with_header("padding", "x".repeat(4 * 1024)),
            Attack::DeepHeader => self.signed(&format!("{{\"x\":{},{}", deep(), &self.header_json()[1..]), &claims),
            Attack::DeepClaims => self.signed(&self.header_json(), &claims_with(&format!("\"x\":{}", deep()))),
            Attack::EndlessNumber => {
                self.signed(&self.header_json(), &claims_with(&format!("\"x\":{}", "7".repeat(200))))
            }
            Attack::PayloadArray => self.signed(&self.header_json(), &format!("[{claims}]")),
            Attack::PayloadText => self.signed(&self.header_json(), "iss=https://issuer.test"),
            Attack::TrailingHeader => self.signed(&format!("{}{{}}", self.header_json()), &claims),
            Attack::HeaderNotUtf8 => {
                let bytes = [b"{\"x\":\"\xff\"," as &[u8], &self.header_json().as_bytes()[1..]].concat();
                sign(&self.draft.issuer.signer(), &bytes, claims.as_bytes())
            }
            Attack::DuplicateHeaderMember => {
                self.signed(&format!("{{\"alg\":\"none\",{}", &self.header_json()[1..]), &claims)
            }
            Attack::DuplicateClaim => self.signed(&self.header_json(), &claims_with("\"sub\":\"admin\"")),
            Attack::DuplicateClaimEscaped => self.signed(&self.header_json(), &claims_with("\"s\\u0075b\":\"admin\"")),
            Attack::NestedJwt => {
                let mut members = self.header.clone();
                members.insert("cty".to_owned(), json!("JWT"));
                self.signed(&Value::Object(members).to_string(), &honest)
            }
            Attack::CritUnknown => self.with_headers(&[("crit", json!(["urn:x"])), ("urn:x", json!(1))]),
            Attack::CritClaim => self.with_headers(&[("crit", json!(["exp"])), ("exp", json!(1))]),
            Attack::CritEmpty => self.with_header("crit", json!([])),
            Attack::Unencoded => self.with_headers(&[("crit", json!(["b64"])), ("b64", json!(false))]),
            Attack::UnencodedNotCritical => self.with_header("b64", false),
            _ => return None,
        })
    }

    /// Attacks by `alg`, and on the signature itself.
    fn algorithm(&self, attack: Attack) -> Option<String> {
        let honest = self.draft.sign_honestly();
        let (header, payload, signature) = segments(&honest);
        let bytes = decode(signature);
        let with_signature = |bytes: &[u8]| format!("{header}.{payload}.{}", encode(bytes));
        let under_honest_signature = |name: &str, value: Value| {
            let mut members = self.header.clone();
            members.insert(name.to_owned(), value);
            format!("{}.{payload}.{signature}", encode(Value::Object(members).to_string().as_bytes()))
        };
        let spki = || spki(&self.public_jwk());
        Some(match attack {
            Attack::AlgNoneUnsigned => {
                let none = json!({ "alg": "none", "typ": "at+jwt" }).to_string();
                format!("{}.{payload}.", encode(none.as_bytes()))
            }
            Attack::AlgNone => under_honest_signature("alg", json!("none")),
            Attack::AlgNoneCapitalised => under_honest_signature("alg", json!("None")),
            Attack::AlgNoneUpperCase => under_honest_signature("alg", json!("NONE")),
            Attack::AlgNoneMixedCase => under_honest_signature("alg", json!("nOnE")),
            Attack::AlgNoneSpace => under_honest_signature("alg", json!(" none")),
            Attack::AlgNoneNul => under_honest_signature("alg", json!("none\0")),
            Attack::AlgEmpty => self.with_header("alg", ""),
            Attack::AlgMissing => {
                let mut members = self.header.clone();
                members.remove("alg");
                self.signed(&Value::Object(members).to_string(), &self.draft.claims_json())
            }
            Attack::AlgList => self.with_header("alg", json!([self.algorithm_name()])),
            Attack::AlgLowerCase => self.with_header("alg", self.algorithm_name().to_lowercase()),
            Attack::AlgSwapped => {
                let own = self.draft.issuer.algorithm();
                let other = if own == Algorithm::ES384 { Algorithm::ES256 } else { Algorithm::ES384 };
                self.by_foreign_key(other, &[("alg", json!(other.name()))])
            }
            Attack::HmacWithPem => self.hmac("HS256", pem(&spki()).as_bytes()),
            Attack::HmacWithPemTrimmed => self.hmac("HS256", pem(&spki()).trim_end().as_bytes()),
            Attack::Hmac512WithPem => self.hmac("HS512", pem(&spki()).as_bytes()),
            Attack::HmacWithDer => self.hmac("HS256", &spki()),
            Attack::HmacWithJwk => self.hmac("HS256", self.public_jwk().to_string().as_bytes()),
            Attack::HmacWithEmptyKey => self.hmac("HS256", b""),
            Attack::SignatureBitFlipped => {
                let mut flipped = bytes;
                flipped[7] ^= 0x10;
                with_signature(&flipped)
            }
            Attack::SignatureTruncated => with_signature(&bytes[..bytes.len() - 1]),
            Attack::SignatureLengthened => with_signature(&[&bytes[..], &[0]].concat()),
            Attack::SignatureZero => with_signature(&vec![0; bytes.len()]),
            Attack::SignatureZeroDer => format!("{header}.{payload}.MAYCAQACAQA"),
            Attack::SignatureDer => with_signature(&ecdsa_der(&bytes)),
            Attack::SignatureEmpty => format!("{header}.{payload}."),
            Attack::PayloadSwapped => {
                let mut claims = self.claims.clone();
                claims.insert("sub".to_owned(), json!("admin"));
                format!("{header}.{}.{signature}", encode(Value::Object(claims).to_string().as_bytes()))
            }
            Attack::HeaderChanged => under_honest_signature("x", json!(1)),
            _ => return None,
        })
    }

    /// Attacks on the choice of the key.
    fn key(&self, attack: Attack) -> Option<String> {
        let own = self.draft.issuer.algorithm();
        let foreign = |members: &[(&str, Value)]| self.by_foreign_key(own, members);
        let attacker = ("kid", json!(ATTACKER_KEY_ID));
        let jwk = || foreign_key(own).public_jwk().unwrap_or_default();
        Some(match attack {
            Attack::ForeignKeyOurKid => foreign(&[]),
            Attack::ForeignKey => foreign(&[attacker]),
            Attack::ForeignKeyNoKid => foreign(&[("kid", Value::Null)]),
            Attack::UnknownKid => self.with_header("kid", "nobody-has-this"),
            Attack::EmptyKid => self.with_header("kid", ""),
            Attack::KidNumber => self.with_header("kid", 1),
            Attack::KidTooLong => self.with_header("kid", "k".repeat(300)),
            Attack::KidPath => foreign(&[("kid", json!("../../../../dev/null"))]),
            Attack::KidSql => foreign(&[("kid", json!("' UNION SELECT 'key' --"))]),
            Attack::KidLineBreak => foreign(&[("kid", json!("x\r\nlevel=INFO accepted"))]),
            Attack::EmbeddedJwk => foreign(&[attacker, ("jwk", jwk())]),
            Attack::EmbeddedJwkOurKid => foreign(&[("jwk", jwk())]),
            Attack::Jku => foreign(&[attacker, ("jku", json!(ATTACKER_URL))]),
            Attack::X5u => foreign(&[attacker, ("x5u", json!(ATTACKER_URL))]),
            Attack::X5c => foreign(&[attacker, ("x5c", json!(["MIIB"]))]),
            _ => return None,
        })
    }

    /// Invented opaque tokens.
    fn opaque(&self, attack: Attack) -> Option<String> {
        Some(match attack {
            Attack::OpaqueRandom => encode(&random()),
            Attack::OpaqueUuid => {
                let digits: String = random().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
                let (first, rest) = digits.split_at(8);
                format!("{first}-{}-4{}-8{}-{}", &rest[..4], &rest[5..8], &rest[9..12], &rest[12..])
            }
            Attack::OpaqueSubject => {
                let subject = self.claims.get("sub").and_then(Value::as_str).unwrap_or_default();
                let subject: String = subject.chars().filter(char::is_ascii_alphanumeric).collect();
                format!("session-{subject}-00000001")
            }
            _ => return None,
        })
    }

    /// Attacks by claims and token type, each honestly signed: only the rules can refuse them.
    fn claim(&self, attack: Attack) -> String {
        let own_issuer = &self.draft.issuer.name;
        let own_audience = || self.claims.get("aud").and_then(Value::as_str).unwrap_or("orders").to_owned();
        let now = self.draft.now();
        let later = now.saturating_add(FAR).as_secs();
        let sign = TokenDraft::sign_honestly;
        let draft = || self.draft.clone();
        match attack {
            Attack::WrongAudience => self.with_claim("aud", "another-service"),
            Attack::AudiencePrefix => self.with_claim("aud", format!("{}.attacker.test", own_audience())),
            Attack::AudienceJoined => self.with_claim("aud", format!("{} another-service", own_audience())),
            Attack::NoAudience => sign(&draft().without_claim("aud")),
            Attack::AudienceMixed => self.with_claim("aud", json!([own_audience(), 1])),
            Attack::WrongIssuer => self.with_claim("iss", "https://attacker.test"),
            Attack::IssuerSlash => self.with_claim("iss", format!("{own_issuer}/")),
            Attack::IssuerPrefix => self.with_claim("iss", format!("{own_issuer}.attacker.test")),
            Attack::IssuerList => self.with_claim("iss", json!([own_issuer, "https://attacker.test"])),
            Attack::NoIssuer => sign(&draft().without_claim("iss")),
            Attack::Expired => sign(&draft().expired()),
            Attack::NoExpiry => sign(&draft().without_claim("exp")),
            Attack::ExpiryText => self.with_claim("exp", later.to_string()),
            Attack::ExpiryNull => self.with_claim("exp", Value::Null),
            Attack::ExpiryMilliseconds => self.with_claim("exp", later * 1000),
            Attack::ExpiryHuge => self.with_claim("exp", 1e300),
            Attack::ExpiryNegative => self.with_claim("exp", -1),
            Attack::NotYetValid => sign(&draft().not_yet_valid()),
            Attack::IssuedInFuture => sign(&draft().claim("iat", later).claim("exp", later + 60)),
            Attack::SubjectNumber => self.with_claim("sub", 42),
            Attack::ScopeList => self.with_claim("scope", json!(["orders:read orders:write"])),
            Attack::IdToken => {
                // A provider that marks access tokens by a claim marks ID tokens there too.
                let marks = [("typ", "ID"), ("token_use", "id")].into_iter();
                let marks = marks.filter(|(name, _)| self.claims.contains_key(*name));
                let marked = marks.fold(draft(), |draft, (name, value)| draft.claim(name, value));
                sign(&marked.claim("nonce", "n-0S6_WzA2Mj"))
            }
            Attack::TypLogout => self.with_header("typ", "logout+jwt"),
            Attack::TypDpopProof => self.with_header("typ", "dpop+jwt"),
            Attack::TypClientAssertion => self.with_header("typ", "client-authentication+jwt"),
            Attack::DpopBound => {
                self.with_claim("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }))
            }
            Attack::CertificateBound => {
                self.with_claim("cnf", json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }))
            }
            Attack::ConfirmationUnknown => self.with_claim("cnf", json!({ "kid": "a-key" })),
            Attack::ConfirmationEmpty => self.with_claim("cnf", json!({})),
            Attack::ConfirmationNull => self.with_claim("cnf", Value::Null),
            form_or_key => panic!("{} has no recipe", form_or_key.name()),
        }
    }

    fn signed(&self, header: &str, payload: &str) -> String {
        sign(&self.draft.issuer.signer(), header.as_bytes(), payload.as_bytes())
    }

    fn with_claim(&self, name: &str, value: impl Into<Value>) -> String {
        self.draft.clone().claim(name, value).sign_honestly()
    }

    fn with_header(&self, name: &str, value: impl Into<Value>) -> String {
        self.with_headers(&[(name, value.into())])
    }

    fn with_headers(&self, members: &[(&str, Value)]) -> String {
        self.signed(&self.header_with(members), &self.draft.claims_json())
    }

    /// A null value omits the member.
    fn header_with(&self, members: &[(&str, Value)]) -> String {
        let mut header = self.header.clone();
        header.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        header.retain(|_, value| !value.is_null());
        Value::Object(header).to_string()
    }

    fn by_foreign_key(&self, algorithm: Algorithm, members: &[(&str, Value)]) -> String {
        let header = self.header_with(members);
        sign(&foreign_key(algorithm), header.as_bytes(), self.draft.claims_json().as_bytes())
    }

    fn hmac(&self, name: &str, key: &[u8]) -> String {
        let algorithm = if name == "HS512" { hmac::HMAC_SHA512 } else { hmac::HMAC_SHA256 };
        let header = self.header_with(&[("alg", json!(name))]);
        let message = format!("{}.{}", encode(header.as_bytes()), encode(self.draft.claims_json().as_bytes()));
        let mac = hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
        format!("{message}.{}", encode(mac.as_ref()))
    }

    /// Sets an unused bit in the last character of the signature, or of the header if the signature has none.
    fn trailing_bits(&self) -> String {
        let honest = self.draft.sign_honestly();
        if !segments(&honest).2.len().is_multiple_of(4) {
            return with_last_bit_set(&honest);
        }
        let padding = " ".repeat(usize::from(self.header_json().len().is_multiple_of(3)));
        let token = self.signed(&format!("{}{padding}", self.header_json()), &self.draft.claims_json());
        let (header, payload, signature) = segments(&token);
        format!("{}.{payload}.{signature}", with_last_bit_set(header))
    }

    fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    fn algorithm_name(&self) -> &'static str {
        self.draft.issuer.algorithm().name()
    }

    fn public_jwk(&self) -> Value {
        self.draft.issuer.signer().public_jwk().unwrap_or_default()
    }
}

/// The attacker's key of `algorithm`. There is one per process, since generating RSA keys is slow.
pub(super) fn foreign_key(algorithm: Algorithm) -> Arc<Signer> {
    static KEYS: LazyLock<Mutex<HashMap<Algorithm, Arc<Signer>>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || match algorithm.is_symmetric() {
        true => Signer::from_secret(Secret::new(vec![b'a'; 64]), algorithm, ATTACKER_KEY_ID),
        false => Signer::generate(algorithm).map(|key| key.with_key_id(ATTACKER_KEY_ID)),
    };
    Arc::clone(keys.entry(algorithm).or_insert_with(|| Arc::new(make().expect("this machine can make keys"))))
}

fn sign(signer: &Signer, header: &[u8], payload: &[u8]) -> String {
    signer.sign_compact(header, payload).expect("a generated key can sign")
}

fn segments(token: &str) -> (&str, &str, &str) {
    let mut parts = token.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

/// Sets the lowest bit of the last character, which is unused if the length is not a multiple of four.
fn with_last_bit_set(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = segment.split_at(segment.len() - 1);
    let at = ALPHABET.find(last).expect("a base64url character");
    format!("{rest}{}", &ALPHABET[at ^ 1..=(at ^ 1)])
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("random numbers");
    bytes
}

fn deep() -> String {
    format!("{}{}", "[".repeat(200), "]".repeat(200))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(segment).expect("an honest segment is base64url")
}
