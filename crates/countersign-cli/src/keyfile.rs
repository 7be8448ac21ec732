//! Keys from files: JWK Sets, single JWKs, PEM. Each key is bound to one algorithm.

use countersign::key::{Algorithm, VerifyingKey};
use countersign::secret::Secret;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::encoding::decode;
use crate::exit::Failure;

/// The contents of a key file for the requested algorithms.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Usable keys.
    pub(crate) keys: Vec<VerifyingKey>,
    /// Skipped entries, with the reason.
    pub(crate) skipped: Vec<String>,
    /// Number of shared secrets skipped because no HMAC algorithm was requested.
    pub(crate) secrets_left_out: usize,
    /// Number of shared secrets that were requested but cannot be used.
    bad_secrets: usize,
}

#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members that decide how an entry is parsed.
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
/// A shared secret (`oct`) is accepted only from a file and only for a requested HMAC algorithm; the library checks its
/// length. An RSA key without `alg` gets the one requested RSA algorithm, or RS256 if several are requested.
pub(crate) fn from_jwks(text: &str, algorithms: &[Algorithm]) -> Result<Loaded, Failure> {
    let is_set = serde_json::from_str::<serde_json::Value>(text)
        .map_err(|error| Failure::usage(format!("the key file is not JSON: line {}", error.line())))?
        .get("keys")
        .is_some();
    let wrapped = if is_set { text.to_owned() } else { format!("{{\"keys\":[{text}]}}") };
    let set: RawSet<'_> = serde_json::from_str(&wrapped)
        .map_err(|_| Failure::usage("the key file is neither a JWK Set (an object with an array keys) nor a JWK"))?;
    let mut loaded = Loaded::default();
    for (index, raw) in set.keys.iter().enumerate() {
        take(raw.get(), index, algorithms, &mut loaded);
    }
    // The user can fix an unusable secret; an unusable public key is the issuer's to fix, so it is only skipped.
    if loaded.keys.is_empty() && loaded.bad_secrets > 0 {
        return Err(Failure::usage(format!("the key file has no usable key: {}", loaded.skipped.join("; "))));
    }
    Ok(loaded)
}

fn take(raw: &str, index: usize, algorithms: &[Algorithm], loaded: &mut Loaded) {
    let Ok(entry) = serde_json::from_str::<Entry>(raw) else {
        return loaded.skipped.push(format!("key {index}: not a JWK"));
    };
    let name =
        entry.kid.as_deref().map_or_else(|| format!("key {index}"), |kid| format!("key {}", crate::output::word(kid)));
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

/// The RSA algorithm, if exactly one is requested.
fn only_rsa(algorithms: &[Algorithm]) -> Option<Algorithm> {
    let is_rsa = |algorithm: &&Algorithm| algorithm.name().starts_with("RS") || algorithm.name().starts_with("PS");
    let mut rsa = algorithms.iter().filter(is_rsa);
    match (rsa.next(), rsa.next()) {
        (Some(only), None) => Some(*only),
        _ => None,
    }
}

/// Adds `alg` to `raw` as text, so that duplicate members are still refused.
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
    let operations = entry.key_ops.as_deref().unwrap_or_default();
    if !operations.is_empty() && !operations.iter().any(|operation| operation == "verify") {
        return Err("key_ops lacks verify".to_owned());
    }
    let bytes = entry.k.as_deref().and_then(decode).ok_or("k is not canonical base64url")?;
    let secret = Secret::new(bytes);
    let fitting: Vec<Algorithm> = match &entry.alg {
        Some(named) => symmetric.iter().copied().filter(|algorithm| algorithm.name() == named).collect(),
        None => symmetric.to_vec(),
    };
    if fitting.is_empty() {
        return Err("its alg was not requested".to_owned());
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

/// Reads a PEM public key: one key with the ID `key_id` for each of `algorithms` that fits.
pub(crate) fn from_pem(
    pem: &str,
    algorithms: &[Algorithm],
    key_id: Option<&str>,
) -> Result<Vec<VerifyingKey>, Failure> {
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    if !pem.contains(BEGIN) {
        let hint = if pem.contains("PRIVATE KEY-----") {
            "it contains a private key; pass the public key"
        } else if pem.contains("CERTIFICATE-----") {
            "it contains a certificate; extract its key: openssl x509 -pubkey -noout"
        } else {
            "it has no BEGIN PUBLIC KEY"
        };
        return Err(Failure::usage(format!("the PEM file is not usable: {hint}")));
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
    if keys.is_empty() { Err(Failure::usage(format!("the PEM file is not usable: {reason}"))) } else { Ok(keys) }
}
