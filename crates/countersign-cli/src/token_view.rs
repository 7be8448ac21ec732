//! The decoded parts of a token, unverified.

use countersign::inspect::{SignatureState, inspect};
use countersign::key::KeySet;
use serde_json::{Value, json};

use crate::claim_text::seconds;
use crate::encoding::{decode, decode_leniently, readable};
use crate::exit::Failure;
use crate::output::{self, Tone, toned};
use crate::times;
use crate::tools::unique_names;

/// The parts of a token, as far as they can be decoded.
#[derive(Debug)]
pub(crate) struct TokenView {
    pub(crate) header: Value,
    pub(crate) payload: Value,
    pub(crate) signature: &'static str,
    pub(crate) faults: Vec<String>,
    pub(crate) warnings: Vec<String>,
    bytes: usize,
}

impl TokenView {
    /// Decodes `token`, and checks its signature if `keys` are given.
    pub(crate) fn new(token: &str, keys: Option<&KeySet>, now: i64) -> Self {
        let segments: Vec<&str> = token.split('.').take(6).collect();
        let mut faults = Vec::new();
        match segments.len() {
            3 => {}
            5 => faults.push("five segments: an encrypted token (JWE); its claims cannot be read".to_owned()),
            1 => faults.push("1 segment; a signed token has three, separated by dots".to_owned()),
            found => faults.push(format!("{found} segments; a signed token has three, separated by dots")),
        }
        let mut part = |index: usize, name: &str| -> Value {
            let Some(segment) = segments.get(index) else { return Value::Null };
            let offset: usize = segments.iter().take(index).map(|before| before.len() + 1).sum();
            let decoded = decode_leniently(segment, offset);
            if let Some(fault) = decoded.fault {
                faults.push(format!("{name}: {fault}"));
            }
            if !unique_names::are_unique(&decoded.bytes) {
                faults
                    .push(format!("{name}: a name occurs twice; only its last value is shown, and services refuse it"));
            }
            readable(&decoded.bytes)
        };
        let header = part(0, "header");
        let payload = if segments.len() == 5 { Value::Null } else { part(1, "payload") };
        if !header.is_object() {
            faults.push("header: not a JSON object".to_owned());
        }
        let is_spoilt = segments.get(2).is_some_and(|signature| decode(signature).is_none());
        if segments.len() == 3 && is_spoilt {
            faults.push("signature: not canonical base64url".to_owned());
        }
        let mut warnings = warnings(&header, &payload, now);
        let state = inspect(token).signature(keys);
        if let SignatureState::Invalid(error) = &state {
            warnings.push(format!("the signature is not valid: {error}"));
        }
        let signature = state.name();
        TokenView { header, payload, signature, faults, warnings, bytes: token.len() }
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({
            "header": self.header,
            "payload": self.payload,
            "signature": self.signature,
            "warnings": self.warnings,
            "faults": self.faults,
        })
    }

    pub(crate) fn print(&self, now: i64) -> Result<(), Failure> {
        let verdict = match self.signature {
            "valid" => toned(Tone::Doubt, "NOT VERIFIED: only the signature was checked; it matches"),
            "invalid" => toned(Tone::Bad, "NOT VERIFIED: the signature does not match"),
            _ => toned(Tone::Doubt, "NOT VERIFIED: anyone could have written what follows"),
        };
        output::line(&verdict)?;
        output::line(&format!("{} bytes", self.bytes))?;
        for (title, value) in [("Header", &self.header), ("Payload", &self.payload)] {
            output::line("")?;
            output::line(&toned(Tone::Strong, title))?;
            output::line(&output::pretty_json(value))?;
        }
        let times: Vec<String> = ["iat", "nbf", "exp", "auth_time"]
            .iter()
            .filter_map(|name| {
                let at = seconds(self.payload.get(name)?)?;
                Some(format!("  {name:<9} {}  {}", times::utc(at), times::relative(at, now)))
            })
            .collect();
        if !times.is_empty() {
            output::line("")?;
            output::line(&toned(Tone::Strong, "Times"))?;
            output::line(&times.join("\n"))?;
        }
        for (title, tone, lines) in [("Faults", Tone::Bad, &self.faults), ("Warnings", Tone::Doubt, &self.warnings)] {
            if !lines.is_empty() {
                output::line("")?;
                output::line(&toned(tone, title))?;
                for text in lines {
                    output::line(&format!("  {}", output::safe(text)))?;
                }
            }
        }
        Ok(())
    }
}

/// Warnings about suspicious or unusual contents.
fn warnings(header: &Value, payload: &Value, now: i64) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |text: String| warnings.push(text);
    match header.get("alg").and_then(Value::as_str) {
        Some(name) if name.eq_ignore_ascii_case("none") => warn("alg is none: the token is not signed".to_owned()),
        Some(name) if name.starts_with("HS") => {
            warn(format!("alg is {}: everyone who can verify it can also forge it", output::word(name)));
        }
        Some(_) => {}
        None => warn("alg is missing from the header".to_owned()),
    }
    for member in ["jku", "x5u", "jwk", "x5c"] {
        if header.get(member).is_some() {
            warn(format!("the header has {member}: a key embedded in a token proves nothing"));
        }
    }
    if header.get("kid").is_none() {
        warn("kid is missing from the header: key rotation will be difficult".to_owned());
    }
    let Some(claims) = payload.as_object() else { return warnings };
    match (claims.get("iat").and_then(seconds), claims.get("exp").and_then(seconds)) {
        (_, None) => warn("no usable exp: the token never expires".to_owned()),
        (issued, Some(expires)) => {
            if expires <= now {
                warn(format!("expired {}", times::relative(expires, now)));
            }
            let life = expires.saturating_sub(issued.unwrap_or(now));
            if life > 86_400 {
                warn(format!("lifetime of {}: a stolen token can be used that long", times::span(life)));
            }
        }
    }
    if !claims.contains_key("aud") {
        warn("no aud: services that do not check the audience accept it".to_owned());
    }
    if claims.contains_key("nonce") || claims.contains_key("at_hash") || claims.contains_key("c_hash") {
        warn("this looks like an ID token; services accept access tokens".to_owned());
    }
    for name in claims.keys() {
        let lower = name.to_ascii_lowercase();
        let is_secret = ["password", "passwd", "secret", "private_key", "api_key", "apikey", "credit_card", "ssn"]
            .iter()
            .any(|word| lower.contains(word));
        if is_secret {
            warn(format!("claim {} looks like a secret; tokens are not encrypted", output::word(name)));
        }
    }
    warnings
}
