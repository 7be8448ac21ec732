//! The checks of a proof, all of them run and reported.

use serde_json::Value;

use super::dpop::{
    MAX_AHEAD, MAX_ID_BYTES, MAX_PROOF_BYTES, ProofRequest, ProofRules, check_id, check_method, check_times,
    check_token_hash, check_uri, shown_uri,
};
use super::error::{ProofError, ProofErrorKind as Kind};
use super::keys::ProofKey;
use crate::clock::UnixTime;
use crate::digest::sha256;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::key::Thumbprint;
use crate::redact::safe_text;
use crate::token::{Compact, ProofClaims, decode_base64url, encode_base64url, parse_for_display};
use crate::verify::compared::{Compared, quoted, some_of};
use crate::verify::presented::binding_named_by;
use crate::verify::signature::matching_key;
use crate::verify::{Check, Outcome, Report, Verdict};

/// The members of a private key (RFC 7518 §6, RFC 9964 §3), which a report must not repeat.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The request for which a proof is explained.
#[derive(Clone, Copy, Debug)]
pub struct ExplainedRequest<'r> {
    /// The method and the address.
    pub request: ProofRequest<'r>,
    /// The access token; `None` for a request to a token endpoint.
    pub token: Option<&'r str>,
    /// The nonce that the server demands; `None` if it demands none.
    pub nonce: Option<&'r str>,
    /// The time of the request.
    pub now: UnixTime,
}

/// Runs every check on a proof and reports each, in the order of a layer: the verdict is the first failure. Also returns the
/// thumbprint of the proof's key, if there is one.
///
/// The check `jkt` compares with the key to which `token` is bound, if it is a JWT that says so. Whether the proof was used
/// before is not checked. The report leaves out private members of `jwk`.
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_core::integration::{ExplainedRequest, explain_proof};
/// use countersign_core::proof::{ExternalUrl, ProofRequest, ProofRules};
///
/// let urls = [ExternalUrl::new("https://api.example.com")?];
/// let request = ProofRequest { method: "GET", external_urls: &urls, path: "/orders" };
/// let now = UnixTime::from_secs(1_700_000_000);
/// let request = ExplainedRequest { request, token: None, nonce: None, now };
/// let (report, _) = explain_proof("not a proof", &ProofRules::default(), &request);
/// assert_eq!(report.verdict.code(), Some("proof_malformed"));
/// # Ok::<(), countersign_core::error::Fault>(())
/// ```
#[must_use]
pub fn explain_proof(text: &str, rules: &ProofRules, explained: &ExplainedRequest<'_>) -> (Report, Option<Thumbprint>) {
    let mut record = Record::default();
    let compact = record.form(text);
    let header = compact.as_ref().and_then(|compact| json(compact.header)).map(without_private_members);
    let key = record.header(compact.as_ref(), header.as_ref(), rules);
    let claims = compact.as_ref().map(|compact| ProofClaims::decode(compact.payload));
    let claims = record.step("claims", claims.map(|read| read.map_err(|error| ProofError::of_form(&error))));
    record.claims(claims.as_ref(), rules, explained);
    record.key(key.as_ref(), explained.token);

    let signed = compact.as_ref().zip(key.as_ref()).map(|(compact, key)| {
        let prepared = key.prepared()?;
        let refused = |error: VerifyError| ProofError::new(Kind::BadSignature, error.detail().to_owned());
        matching_key(compact, &[&prepared]).map(drop).map_err(refused)
    });
    record.step("signature", signed);
    if let Some(expected) = explained.nonce {
        let found = claims.as_ref().and_then(ProofClaims::nonce);
        record.step("nonce", claims.as_ref().map(|_| check_nonce(found, expected)));
        record.compare(safe_text(expected), found.map_or(NOTHING.to_owned(), quoted));
    }
    let payload = compact.as_ref().and_then(|compact| json(compact.payload)).map(without_query);
    let verdict = record.first_failure.unwrap_or(Verdict::Accepted);
    (Report { verdict, header, claims: payload, checks: record.checks }, key.map(|key| key.thumbprint))
}

/// The word for an absent value.
const NOTHING: &str = "nothing";

fn check_nonce(found: Option<&str>, expected: &str) -> Result<(), ProofError> {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(_) => Err(ProofError::new(Kind::NonceRequired, "nonce: it is not the expected one")),
        None => Err(ProofError::new(Kind::NonceRequired, "the proof has no nonce")),
    }
}

/// The checks so far.
#[derive(Default)]
struct Record {
    checks: Vec<Check>,
    first_failure: Option<Verdict>,
}

impl Record {
    /// Records a check and returns its value; `None` if its input is missing.
    fn step<T>(&mut self, name: &'static str, result: Option<Result<T, ProofError>>) -> Option<T> {
        let (outcome, value) = match result {
            Some(Ok(value)) => (Outcome::Passed, Some(value)),
            Some(Err(error)) => (self.failure(error.code(), error.detail()), None),
            None => (Outcome::NotReached, None),
        };
        self.checks.push(Check { name, outcome, expected: None, found: None });
        value
    }

    fn failure(&mut self, code: &'static str, message: &str) -> Outcome {
        let message = message.to_owned();
        self.first_failure.get_or_insert_with(|| Verdict::Rejected { code, message: message.clone() });
        Outcome::Failed { code, message }
    }

    /// Adds the compared values to the last check.
    fn compare(&mut self, expected: impl Into<String>, found: impl Into<String>) {
        if let Some(check) = self.checks.last_mut() {
            let Compared { expected, found } = Compared::new(expected, found);
            (check.expected, check.found) = (expected, found);
        }
    }

    fn form<'t>(&mut self, text: &'t str) -> Option<Compact<'t>> {
        let split = Compact::split(text, MAX_PROOF_BYTES).map_err(|error| ProofError::of_form(&error));
        let (size, form) = match split {
            Err(error) if error.kind() == Kind::TooLarge => (Err(error), None),
            form => (Ok(()), Some(form)),
        };
        self.step("size", Some(size));
        self.compare(format!("at most {MAX_PROOF_BYTES} bytes"), format!("{} bytes", text.len()));
        self.step("form", form)
    }

    /// Records `typ`, `alg` and `jwk`, which one step checks, as three checks.
    fn header(&mut self, compact: Option<&Compact<'_>>, shown: Option<&Value>, rules: &ProofRules) -> Option<ProofKey> {
        const MEMBERS: [(&str, Kind); 4] = [
            ("header", Kind::Malformed),
            ("typ", Kind::WrongType),
            ("alg", Kind::AlgorithmNotAllowed),
            ("jwk", Kind::BadKey),
        ];
        let mut read = compact.map(|compact| ProofKey::read(compact.header, rules.allowed()));
        let mut key = None;
        for (name, kind) in MEMBERS {
            let result = match read.take() {
                Some(Err(error)) if error.kind() == kind => Some(Err(error)),
                other => {
                    let is_reached = other.is_some();
                    read = other;
                    is_reached.then_some(Ok(()))
                }
            };
            self.step(name, result);
            let found = shown.and_then(|header| header.get(name));
            match name {
                "typ" => self.compare("dpop+jwt", member(found)),
                "alg" => self.compare(some_of(rules.allowed().iter().map(ToString::to_string)), member(found)),
                "jwk" => {
                    key = read.take().and_then(Result::ok);
                    let thumbprint = key.as_ref().map(|key| format!("thumbprint {}", key.thumbprint));
                    self.compare("the public key that signed", thumbprint.unwrap_or_else(|| key_type(found)));
                }
                _ => {}
            }
        }
        key
    }

    fn claims(&mut self, claims: Option<&ProofClaims>, rules: &ProofRules, explained: &ExplainedRequest<'_>) {
        let ExplainedRequest { request, token, now, .. } = *explained;
        let text = |found: Option<&str>| found.map_or(NOTHING.to_owned(), quoted);
        self.step("iat", claims.map(|claims| check_times(claims, rules, now)));
        let (oldest, newest) = (now.saturating_sub(rules.oldest()), now.saturating_add(MAX_AHEAD));
        let issued = claims.and_then(|claims| claims.issued_at);
        let issued = issued.map_or(NOTHING.to_owned(), |at| at.as_secs().to_string());
        self.compare(format!("{} to {}", oldest.as_secs(), newest.as_secs()), issued);
        self.step("jti", claims.map(check_id));
        self.compare(format!("1 to {MAX_ID_BYTES} bytes"), text(claims.and_then(ProofClaims::token_id)));
        self.step("htm", claims.map(|claims| check_method(claims, request.method)));
        self.compare(safe_text(request.method), text(claims.and_then(ProofClaims::method)));
        self.step("htu", claims.map(|claims| check_uri(claims, request)));
        let addresses = request.external_urls.iter().map(|url| format!("{}{}", url.as_str(), safe_text(request.path)));
        self.compare(some_of(addresses), text(claims.and_then(ProofClaims::uri).map(shown_uri)));
        if let Some(token) = token {
            self.step("ath", claims.map(|claims| check_token_hash(claims, || sha256(token))));
            let expected = encode_base64url(&sha256(token));
            self.compare(expected, text(claims.and_then(ProofClaims::token_hash)));
        }
    }

    /// Records the comparison with the key to which the token is bound.
    fn key(&mut self, key: Option<&ProofKey>, token: Option<&str>) {
        let Some(bound) = token.and_then(binding_named_by).and_then(|binding| binding.key()) else { return };
        let outcome = match key {
            Some(key) if key.thumbprint == bound => Outcome::Passed,
            Some(_) => {
                let code = VerifyErrorKind::ProofMismatch.code();
                self.failure(code, "the token is bound to another key than that of the proof")
            }
            None => Outcome::NotReached,
        };
        self.checks.push(Check { name: "jkt", outcome, expected: None, found: None });
        self.compare(bound.to_string(), key.map_or(NOTHING.to_owned(), |key| key.thumbprint.to_string()));
    }
}

fn json(segment: &str) -> Option<Value> {
    parse_for_display(&decode_base64url(segment)?)
}

/// A member of the header, safe to log.
fn member(found: Option<&Value>) -> String {
    match found {
        None => NOTHING.to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => safe_text(&other.to_string()),
    }
}

/// The kind of a key that cannot be used.
fn key_type(jwk: Option<&Value>) -> String {
    let part = |name: &str| jwk.and_then(|jwk| jwk.get(name)).map(|value| member(Some(value)));
    match (jwk, part("kty"), part("crv")) {
        (None, ..) => NOTHING.to_owned(),
        (_, None, _) => "no JWK".to_owned(),
        (_, Some(kty), None) => format!("kty {kty}"),
        (_, Some(kty), Some(crv)) => format!("kty {kty}, crv {crv}"),
    }
}

fn without_private_members(mut header: Value) -> Value {
    if let Some(jwk) = header.get_mut("jwk").and_then(Value::as_object_mut) {
        jwk.retain(|name, _| !PRIVATE_MEMBERS.contains(&name.as_str()));
    }
    header
}

/// The claims with the address as it may be shown.
fn without_query(mut claims: Value) -> Value {
    if let Some(Value::String(uri)) = claims.get_mut("htu") {
        *uri = shown_uri(uri).to_owned();
    }
    claims
}
