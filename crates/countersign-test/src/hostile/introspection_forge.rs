//! The recipes of hostile answers, each made from one that would be accepted.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use super::IntrospectionAttack as Attack;
use super::forge::foreign_key;
use super::public_key::{pem, spki};
use crate::draft::TokenDraft;

/// An hour, beyond any leeway.
const FAR: u64 = 3600;

const JSON: &str = "application/json";
const SIGNED: &str = "application/token-introspection+jwt";
const TYPE: &str = "token-introspection+jwt";
const MEMBERS: &str = "token_introspection";

/// An answer as it goes over the wire.
#[derive(Clone)]
pub(crate) struct HostileAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// The target of a redirect.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Attack {
    /// The answer to a request at this time, about a token with the claims of `honest`.
    pub(crate) fn answer(self, honest: &TokenDraft, now: UnixTime) -> HostileAnswer {
        let mut members = honest.claims().clone();
        members.insert("active".to_owned(), json!(true));
        members.insert("token_type".to_owned(), json!("Bearer"));
        let good = Value::Object(members.clone()).to_string();
        let forge = Forge { honest, members, good, now: now.as_secs() };
        let (content_type, body) = match self.is_signed() {
            true => forge.signed(self),
            false => (JSON, forge.json(self).into_bytes()),
        };
        let answer = HostileAnswer { status: 200, content_type, location: None, body };
        match self {
            Attack::StatusError => HostileAnswer { status: 500, ..answer },
            Attack::SignInPage => HostileAnswer { content_type: "text/html", ..answer },
            Attack::UnexpectedlySigned => HostileAnswer { content_type: SIGNED, ..answer },
            Attack::Redirect => {
                let elsewhere = honest.issuer.name.replace("127.0.0.1", "localhost");
                HostileAnswer { status: 307, location: Some(format!("{elsewhere}/introspect")), ..answer }
            }
            _ => answer,
        }
    }
}

/// The parts of an answer that would be accepted.
struct Forge<'d> {
    honest: &'d TokenDraft,
    members: Map<String, Value>,
    good: String,
    now: u64,
}

impl Forge<'_> {
    fn json(&self, attack: Attack) -> String {
        let with = |name: &str, value: Value| self.with(name, value);
        let before = |member: &str| format!("{{{member},{}", &self.good[1..]);
        match attack {
            Attack::ActiveText => with("active", json!("true")),
            Attack::ActiveNumber => with("active", json!(1)),
            Attack::ActiveList => with("active", json!([true])),
            Attack::ActiveNull => with("active", Value::Null),
            Attack::ActiveMissing => self.without("active"),
            Attack::ActiveCapitalised => self.good.replace("\"active\"", "\"Active\""),
            Attack::ActiveTwice => before("\"active\":false"),
            Attack::ActiveTwiceEscaped => before("\"\\u0061ctive\":false"),
            Attack::SubjectTwice => before("\"sub\":\"admin\""),
            Attack::AnotherIssuer => with("iss", json!("https://other.test")),
            Attack::IssuerList => with("iss", json!([self.honest.issuer.name.as_str()])),
            Attack::AnotherAudience => with("aud", json!("another-service")),
            Attack::AudienceMissing => self.without("aud"),
            Attack::AudienceEmpty => with("aud", json!([])),
            Attack::AudienceNumber => with("aud", json!(7)),
            Attack::ActiveExpired => with("exp", json!(self.now.saturating_sub(FAR))),
            Attack::ExpiryMissing => self.without("exp"),
            Attack::ExpiryText => with("exp", json!("tomorrow")),
            Attack::ActiveEarly => with("nbf", json!(self.now.saturating_add(FAR))),
            Attack::RefreshToken => with("token_type", json!("refresh_token")),
            Attack::IdToken => with("nonce", json!("n-0S6_WzA2Mj")),
            Attack::BoundWithoutProof => with("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })),
            Attack::ProofTypeWithoutKey => with("token_type", json!("DPoP")),
            Attack::Huge => with("padding", json!("x".repeat(1 << 20))),
            Attack::Deep => before(&format!("\"x\":{}{}", "[".repeat(1000), "]".repeat(1000))),
            Attack::InList => format!("[{}]", self.good),
            Attack::Truncated => self.good[..self.good.len() - 1].to_owned(),
            Attack::Empty => String::new(),
            Attack::SignInPage => "<!doctype html><title>Sign in</title>".to_owned(),
            Attack::UnexpectedlySigned => self.draft().sign(),
            _ => self.good.clone(),
        }
    }

    fn signed(&self, attack: Attack) -> (&'static str, Vec<u8>) {
        let with_members = |members: Value| self.draft().claim(MEMBERS, members).sign();
        let text = match attack {
            Attack::NotSigned => return (JSON, self.good.clone().into_bytes()),
            Attack::NotSignedAsSigned => self.good.clone(),
            Attack::SignedAsJson => return (JSON, self.draft().sign().into_bytes()),
            Attack::SignedAlgNone => self.under(&json!({ "alg": "none", "typ": TYPE }), |_| Vec::new()),
            Attack::SignedHmac => {
                let public = self.honest.issuer.signer().public_jwk().unwrap_or_default();
                let secret = pem(&spki(&public));
                let header = json!({ "alg": "HS256", "typ": TYPE, "kid": self.honest.issuer.signer().key_id() });
                self.under(&header, |input| {
                    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), input).as_ref().to_vec()
                })
            }
            Attack::SignedTypAccessToken => self.draft().header("typ", "at+jwt").sign(),
            Attack::SignedTypMissing => self.draft().without_header("typ").sign(),
            Attack::SignedByAnotherKey => self.by_another_key(),
            Attack::SignedOtherSignature => {
                let [one, other] = [self.draft().sign(), self.draft().claim("jti", "another").sign()];
                let parts = one.rsplit_once('.').zip(other.rsplit_once('.'));
                parts.map(|((signed, _), (_, signature))| format!("{signed}.{signature}")).unwrap_or_default()
            }
            Attack::SignedAnotherIssuer => self.draft().claim("iss", "https://other.test").sign(),
            Attack::SignedAnotherAudience => self.draft().audience("another-client").sign(),
            Attack::SignedAudienceMissing => self.draft().without_claim("aud").sign(),
            Attack::SignedOld => self.draft().claim("iat", self.now.saturating_sub(FAR)).sign(),
            Attack::SignedInFuture => self.draft().claim("iat", self.now.saturating_add(FAR)).sign(),
            Attack::SignedTimeless => self.draft().without_claim("iat").sign(),
            Attack::SignedMembersOutside => {
                let draft = self.draft().without_claim(MEMBERS);
                self.members.iter().fold(draft, |draft, (name, value)| draft.claim(name, value.clone())).sign()
            }
            Attack::SignedMembersText => with_members(json!(self.good)),
            Attack::SignedMembersTwice => {
                let (header, claims) = self.parts();
                let claims = format!("{{\"{MEMBERS}\":{{\"active\":false}},{}", &claims[1..]);
                self.honest.issuer.signer().sign_compact(header.as_bytes(), claims.as_bytes()).unwrap_or_default()
            }
            Attack::SignedActiveText => with_members(self.changed("active", json!("true"))),
            Attack::SignedTokenOfAnother => with_members(self.changed("aud", json!("another-service"))),
            _ => self.draft().sign(),
        };
        (SIGNED, text.into_bytes())
    }

    /// A good signed answer, for the service as an audience of its policy.
    fn draft(&self) -> TokenDraft {
        let outer = TokenDraft::new(&self.honest.issuer).header("typ", TYPE).claim("iat", self.now);
        let audience = self.members.get("aud").cloned().unwrap_or_default();
        let outer = outer.claim("aud", audience).claim(MEMBERS, self.members.clone());
        outer.without_claim("exp").without_claim("sub")
    }

    /// Header and claims of a good signed answer.
    fn parts(&self) -> (String, String) {
        let signed = self.draft().sign();
        let mut parts = signed.split('.').map(|part| URL_SAFE_NO_PAD.decode_to_vec(part).unwrap_or_default());
        let mut next = || String::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
        (next(), next())
    }

    /// The claims of a good signed answer under another header and signature.
    fn under(&self, header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(self.parts().1.as_bytes()));
        let signature = sign(input.as_bytes());
        format!("{input}.{}", encode(&signature))
    }

    fn by_another_key(&self) -> String {
        let (header, claims) = self.parts();
        let other = foreign_key(self.honest.issuer.algorithm());
        other.sign_compact(header.as_bytes(), claims.as_bytes()).unwrap_or_default()
    }

    fn changed(&self, name: &str, value: Value) -> Value {
        let mut members = self.members.clone();
        members.insert(name.to_owned(), value);
        Value::Object(members)
    }

    fn with(&self, name: &str, value: Value) -> String {
        self.changed(name, value).to_string()
    }

    fn without(&self, name: &str) -> String {
        let mut members = self.members.clone();
        members.remove(name);
        Value::Object(members).to_string()
    }
}
