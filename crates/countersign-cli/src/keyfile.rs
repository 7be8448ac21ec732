//! Keys from files: JWK Sets, single JWKs, PEM. Each comes out bound to one algorithm.

use countersign::key::{Algorithm, VerifyingKey};
use countersign::secret::Secret;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::encoding::decode;
use crate::exit::Failure;

/// What a key file holds for the algorithms that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Keys that may check something.
    pub(crate) keys: Vec<VerifyingKey>,
    /// Entries that may not, and why.
    pub(crate) skipped: Vec<String>,
    /// How many shared secrets were passed over because no HMAC algorithm was asked for.
    pub(crate) secrets_left_out: usize,
    /// How many shared secrets were asked for and cannot be used.
    bad_secrets: usize,
}

#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members that decide how an entry is read.
#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    k: Option<String>,
}

/// Reads a JWK Set or a single JWK for `algorithms`.
///
/// A shared secret (`oct`) is taken from a file only, for an HMAC algorithm that was asked for; the rules of length are
/// the library's. An RSA key without `alg` serves the one RSA algorithm asked for, RS256 where there are several.
pub(crate) fn from_jwks(text: &str, algorithms: &[Algorithm]) -> Result<Loaded, Failure> {
    let is_set = serde_json::from_str::<serde_json::Value>(text)
        .map_err(|error| Failure::question(format!("the key file is no JSON: line {}", error.line())))?
        .get("keys")
        .is_some();
    let wrapped = if is_set { text.to_owned() } else { format!("{{\"keys\":[{text}]}}") };
    let set: RawSet<'_> = serde_json::from_str(&wrapped)
        .map_err(|_| Failure::question("the key file is no JWK Set: an object with an array keys, or one JWK"))?;
    let mut loaded = Loaded::default();
    for (index, raw) in set.keys.iter().enumerate() {
        take(raw.get(), index, algorithms, &mut loaded);
    }
    // A secret is the user's own, and its fault the user's to mend; an odd public key is the issuer's (S2.24, S4.09).
    if loaded.keys.is_empty() && loaded.bad_secrets > 0 {
        return Err(Failure::question(format!("the key file has no usable key: {}", loaded.skipped.join("; "))));
    }
    Ok(loaded)
}

fn take(raw: &str, index: usize, algorithms: &[Algorithm], loaded: &mut Loaded) {
    let Ok(entry) = serde_json::from_str::<Entry>(raw) else {
        return loaded.skipped.push(format!("key {index}: not a JWK"));
    };
    let name =
        entry.kid.as_deref().map_or_else(|| format!("key {index}"), |kid| format!("key {}", crate::output::safe(kid)));
    if entry.kty == "oct" {
        let symmetric: Vec<Algorithm> =
            algorithms.iter().copied().filter(|algorithm| algorithm.is_symmetric()).collect();
        if symmetric.is_empty() {
            loaded.secrets_left_out += 1;
            return loaded.skipped.push(format!("{name}: a shared secret; name --alg HS256, HS384 or HS512 to use it"));
        }
        return match shared(&entry, &symmetric) {
            Ok(keys) => loaded.keys.extend(keys),
            Err(reason) => {
                loaded.bad_secrets += 1;
                loaded.skipped.push(format!("{name}: {reason}"));
            }
        };
    }
    let read = match (entry.kty.as_str(), &entry.alg, only_rsa(algorithms)) {
        ("RSA", None, Some(algorithm)) => VerifyingKey::from_jwk(&with_algorithm(raw, algorithm)),
        _ => VerifyingKey::from_jwk(raw),
    };
    match read {
        Ok(key) => loaded.keys.push(key),
        Err(reason) => loaded.skipped.push(format!("{name}: {reason}")),
    }
}

/// The one RSA algorithm among those asked for.
fn only_rsa(algorithms: &[Algorithm]) -> Option<Algorithm> {
    let is_rsa = |algorithm: &&Algorithm| algorithm.name().starts_with("RS") || algorithm.name().starts_with("PS");
    let mut rsa = algorithms.iter().filter(is_rsa);
    match (rsa.next(), rsa.next()) {
        (Some(only), None) => Some(*only),
        _ => None,
    }
}

/// `raw` with an `alg`; written into the text, so that doubled members stay doubled and are refused.
fn with_algorithm(raw: &str, algorithm: Algorithm) -> String {
    match raw.trim().strip_prefix('{') {
        Some(rest) => format!("{{\"alg\":\"{algorithm}\",{rest}"),
        None => raw.to_owned(),
    }
}

fn shared(entry: &Entry, symmetric: &[Algorithm]) -> Result<Vec<VerifyingKey>, String> {
    if entry.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return Err("use is not sig".to_owned());
    }
    if entry.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
        return Err("key_ops lacks verify".to_owned());
    }
    let bytes = entry.k.as_deref().and_then(decode).ok_or("k is no canonical base64url")?;
    let secret = Secret::new(bytes);
    let fitting: Vec<Algorithm> = match &entry.alg {
        Some(named) => symmetric.iter().copied().filter(|algorithm| algorithm.name() == named).collect(),
        None => symmetric.to_vec(),
    };
    if fitting.is_empty() {
        return Err("its alg is not one that was asked for".to_owned());
    }
    let keys: Vec<Result<VerifyingKey, _>> =
        fitting.iter().map(|&algorithm| VerifyingKey::from_secret(&secret, algorithm, entry.kid.as_deref())).collect();
    let reason = keys.iter().find_map(|key| key.as_ref().err().map(ToString::to_string));
    let usable: Vec<VerifyingKey> = keys.into_iter().flatten().collect();
    match (usable.is_empty(), reason) {
        (true, Some(reason)) => Err(reason),
        _ => Ok(usable),
    }
}

/// Reads a PEM public key: for each of `algorithms` that fits it, a key named `key_id`.
pub(crate) fn from_pem(
    pem: &str,
    algorithms: &[Algorithm],
    key_id: Option<&str>,
) -> Result<Vec<VerifyingKey>, Failure> {
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    if !pem.contains(BEGIN) {
        let hint = if pem.contains("PRIVATE KEY-----") {
            "it holds a private key; give the public one"
        } else if pem.contains("CERTIFICATE-----") {
            "it holds a certificate; extract its key: openssl x509 -pubkey -noout"
        } else {
            "it has no BEGIN PUBLIC KEY"
        };
        return Err(Failure::question(format!("the PEM file is not usable: {hint}")));
    }
    let mut keys: Vec<VerifyingKey> = Vec::new();
    let mut reason = "it fits none of the algorithms".to_owned();
    for &algorithm in algorithms {
        // Ed25519 has two names; one key serves both.
        let has_other_name = |key: &VerifyingKey| key.algorithm() == Algorithm::Ed25519;
        if algorithm == Algorithm::EdDSA && keys.iter().any(has_other_name) {
            continue;
        }
        match VerifyingKey::from_public_pem(pem, algorithm, key_id) {
            Ok(key) => keys.push(key),
            Err(problem) => reason = problem.to_string(),
        }
    }
    if keys.is_empty() { Err(Failure::question(format!("the PEM file is not usable: {reason}"))) } else { Ok(keys) }
}
