//! A good token, and tokens that deviate from it in one point.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use serde_json::{Value, json};

use crate::sample::{self, ISSUER};

/// A token that differs from a good one.
pub struct Deviation {
    /// What is wrong with it.
    pub what: &'static str,
    pub token: String,
}

/// The deviations from a good token of `signer`, which is an ES256 key.
#[must_use]
pub fn deviations(signer: &Signer) -> Vec<Deviation> {
    let good = sample::token(signer, ISSUER, 1);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims] = [0, 1].map(|part| text(parts[part]));
    let now = json_of(&claims)["iat"].as_u64().expect("a time");
    let sign = |header: &str, claims: &str| signer.sign_compact(header.as_bytes(), claims.as_bytes()).expect("a token");
    let with = |text: &str, name: &str, value: Value| {
        let mut json = json_of(text);
        json[name] = value;
        json.to_string()
    };
    let without = |text: &str, name: &str| {
        let mut json = json_of(text);
        json.as_object_mut().expect("an object").remove(name);
        json.to_string()
    };
    let claim = |name: &str, value: Value| sign(&header, &with(&claims, name, value));
    let no_claim = |name: &str| sign(&header, &without(&claims, name));
    let parameter = |name: &str, value: Value| sign(&with(&header, name, value), &claims);
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);

    let other = sample::signer(Algorithm::ES256);
    let foreign = other.sign_compact(header.as_bytes(), claims.as_bytes()).expect("a token");
    let unsigned = with(&header, "alg", json!("none"));
    let unsigned = format!("{}.{}.", encoded(&unsigned), parts[1]);

    [
        ("signed by another key", foreign),
        ("no signature, `alg` is `none`", unsigned),
        ("HMAC by the public key, `alg` is HS256", by_public_key(signer, &header, parts[1])),
        ("`alg` of another kind of key", parameter("alg", json!("RS256"))),
        ("signature with other unused bits", respelled(&good)),
        ("unknown `kid`", parameter("kid", json!("another-key"))),
        ("no `kid`", sign(&without(&header, "kid"), &claims)),
        ("`crit` names an unknown parameter", {
            sign(&with(&with(&header, "crit", json!(["x"])), "x", json!(1)), &claims)
        }),
        ("`typ` is `logout+jwt`", parameter("typ", json!("logout+jwt"))),
        ("`typ` is `JWT`", parameter("typ", json!("JWT"))),
        ("another issuer", claim("iss", json!("https://id.example.net"))),
        ("no issuer", no_claim("iss")),
        ("another audience", claim("aud", json!("invoices"))),
        ("no audience", no_claim("aud")),
        ("expired for 2 minutes", claim("exp", json!(now - 120))),
        ("no `exp`", no_claim("exp")),
        ("`exp` is text", claim("exp", json!((now + 600).to_string()))),
        ("`nbf` in 10 minutes", claim("nbf", json!(now + 600))),
        ("`iat` in 10 minutes", claim("iat", json!(now + 600))),
        ("duplicate claim of the decoded type", sign(&header, &twice(&claims, r#""sub":"someone-else""#))),
        ("duplicate header parameter", sign(&twice(&header, r#""kid":"another-key""#), &claims)),
        ("40,000 bytes", claim("padding", json!("x".repeat(30_000)))),
        (
            "bound to a key (`cnf`), without a proof",
            claim("cnf", json!({ "jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" })),
        ),
    ]
    .map(|(what, token)| Deviation { what, token })
    .into()
}

/// The token with unused bits of its signature's last letter set.
fn respelled(token: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    // 64 bytes are 85 letters and two bits of another one.
    let next = LETTERS.find(last).expect("a letter") + 1;
    format!("{rest}{}", &LETTERS[next..=next])
}

/// What a verifier accepts that takes the public key for a secret.
fn by_public_key(signer: &Signer, header: &str, claims: &str) -> String {
    let jwk = signer.public_jwk().expect("a key pair");
    let member = |name: &str| URL_SAFE_NO_PAD.decode_to_vec(jwk[name].as_str().expect("text")).expect("base64url");
    let point = [vec![4], member("x"), member("y")].concat();
    let mut header = json_of(header);
    header["alg"] = json!("HS256");
    let message = format!("{}.{claims}", encoded(&header.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &point), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(tag.as_ref()))
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode_to_string(text)
}

fn text(segment: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode_to_vec(segment).expect("base64url")).expect("text")
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
