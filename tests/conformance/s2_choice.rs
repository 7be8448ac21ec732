//! S2, the choice of the algorithm: lists, `none`, confusion of key kinds, one key for one algorithm.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64_simd::STANDARD;
use countersign::key::{Algorithm, KeySet, KeySource, StaticKeys, VerifyingKey};
use countersign::policy::NeedsAudience;
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_core::mint::Signer;
use serde_json::{Value, json};

use super::fixture::{
    AUDIENCE, ISSUER, Keys, OK, Token, code, code_of, encode, faulty_fields, keys, new_key, policy, policy_of,
    policy_over, public, segments, sign_text, signature_of, valid, verifier, with_signature,
};

/// CVE-2020-15084, GHSA-6g6m-m6h5-w9gf, CVE-2020-26244, CVE-2026-22817: algorithms that nobody had to name.
#[test]
fn s2_01_only_listed_algorithms_and_never_an_empty_list() {
    assert_eq!(faulty_fields(policy().algorithms([])), ["algorithms"]);
    let rsa_only = || verifier(policy().algorithms([Algorithm::RS256]));
    let token = valid().sign();
    assert_eq!(code(&rsa_only(), &token), "algorithm_not_allowed");
    // Refused before its signature is looked at: a wrong one makes no difference.
    assert_eq!(code(&rsa_only(), &with_signature(&token, &[1; 64])), "algorithm_not_allowed");
    assert_eq!(code(&rsa_only(), &valid().by(&keys().r1)), OK);
    assert_eq!(code_of(&token), OK);
}

/// GHSA-q926-c743-49qj, CVE-2022-23540 and the disclosures of 2015: `none`, in any spelling.
#[test]
fn s2_02_no_spelling_of_none_is_accepted() {
    let honest = signature_of(&valid().sign());
    let spelled = ["none", "None", "NONE", "nOnE", " none", "none\u{0}", "none ", "", "ＮＯＮＥ"];
    let names = spelled.map(|name| (json!(name), "algorithm_not_allowed"));
    let no_names = [json!(null), json!(["ES256"]), json!(0), json!({}), json!(true)].map(|alg| (alg, "malformed"));
    for (alg, expected) in names.into_iter().chain(no_names) {
        let signed = valid().header("alg", alg.clone()).sign();
        assert_eq!(code_of(&signed), expected, "{alg} truly signed");
        assert_eq!(code_of(&with_signature(&signed, &honest)), expected, "{alg} with a copied signature");
        assert_eq!(code_of(&with_signature(&signed, &[7; 64])), expected, "{alg} with a made-up signature");
        assert_eq!(code_of(&with_signature(&signed, &[])), "malformed", "{alg} with no signature");
    }
    assert_eq!(code_of(&valid().without_header("alg").sign()), "malformed");
    assert!(Algorithm::ALL.iter().all(|algorithm| !algorithm.name().eq_ignore_ascii_case("none")));
    assert_eq!(Algorithm::from_name("none"), None);
}

fn mac(token: &Token, algorithm: Algorithm, key: &[u8]) -> String {
    let hash = match algorithm {
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let header = token.clone().header("alg", algorithm.name()).header_json();
    let message = format!("{}.{}", encode(header), encode(token.claims_json()));
    let tag = hmac::sign(&hmac::Key::new(hash, key), message.as_bytes());
    format!("{message}.{}", encode(tag))
}

/// A public key in every form that confusion was tried with.
fn spellings_of_public_key(signer: &Signer) -> Vec<Vec<u8>> {
    let private = signer.private_key().expose();
    let x509 = |der: PublicKeyX509Der<'_>| der.as_ref().to_vec();
    let (spki, bare) = match signer.algorithm() {
        Algorithm::RS256 => {
            let pair = RsaKeyPair::from_pkcs8(private).expect("RSA");
            (x509(pair.public_key().as_der().expect("DER")), pair.public_key().as_ref().to_vec())
        }
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).expect("P-256");
            (x509(pair.public_key().as_der().expect("DER")), pair.public_key().as_ref().to_vec())
        }
        _ => {
            let pair = Ed25519KeyPair::from_pkcs8(private).expect("Ed25519");
            (x509(pair.public_key().as_der().expect("DER")), pair.public_key().as_ref().to_vec())
        }
    };
    let jwk = signer.public_jwk().expect("a public key");
    let numbers = ["n", "x", "y"].iter().filter_map(|name| jwk[*name].as_str()).map(super::fixture::decode);
    let mut forms: Vec<Vec<u8>> = numbers.collect();
    for (label, der) in [("PUBLIC KEY", &spki), ("RSA PUBLIC KEY", &bare), ("CERTIFICATE", &spki)] {
        forms.push(pem(label, der).into_bytes());
    }
    forms.push(jwk.to_string().into_bytes());
    forms.push(serde_json::to_vec_pretty(&jwk).expect("JSON"));
    forms.push(json!({ "keys": [jwk] }).to_string().into_bytes());
    forms.push(spki);
    forms.push(bare);
    let with_newline: Vec<Vec<u8>> = forms.iter().map(|form| [&form[..], b"\n"].concat()).collect();
    forms.extend(with_newline);
    forms.push(Vec::new());
    forms
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode_to_string(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"))
}

/// CVE-2015-9235, CVE-2016-10555, CVE-2017-11424, CVE-2022-23541, CVE-2024-37568, CVE-2026-48526, CVE-2026-33322 and
/// CVE-2026-0265: the public key taken for a shared secret.
#[test]
fn s2_03_a_public_key_is_never_a_shared_secret() {
    let Keys { k1, r1, e1 } = keys();
    let hmac_list = || verifier(policy().algorithms([Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]));
    let (asymmetric, symmetric) = (verifier(policy()), hmac_list());
    for signer in [k1, r1, e1] {
        for form in spellings_of_public_key(signer) {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let forged = mac(&valid().header("kid", signer.key_id()), algorithm, &form);
                assert_eq!(code(&asymmetric, &forged), "algorithm_not_allowed");
                assert_eq!(code(&symmetric, &forged), "key_mismatch", "even where the list is symmetric by mistake");
                let without_kid = mac(&valid().without_header("kid"), algorithm, &form);
                assert_eq!(code(&symmetric, &without_kid), "unknown_key");
            }
        }
        assert_eq!(code(&asymmetric, &valid().by(signer)), OK);
    }
}

/// CVE-2022-29217, CVE-2024-33663, CVE-2023-48223, CVE-2026-34950 (blanks before the PEM), CVE-2022-23529.
#[test]
fn s2_04_key_material_is_no_secret() {
    let Keys { k1, r1, e1 } = keys();
    let mut looks: Vec<Vec<u8>> = [
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDBf0000000000000000000000000000000000000 someone@host",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA someone@host",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAAAAAAAAAAAAAA x",
        "{ \"crv\" : \"P-256\", \"kty\" : \"EC\", \"x\" : \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" }",
        "{\"pub\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\"}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    for signer in [k1, r1, e1] {
        let private = signer.private_key().expose();
        let pem = pem("PRIVATE KEY", private);
        looks.extend([
            format!("   \n{pem}").into_bytes(),
            format!("\u{feff}{pem}").into_bytes(),
            format!("Bag attributes\n    friendlyName: key\n{pem}\n").into_bytes(),
            private.clone(),
        ]);
        // An EC point or a bare number is as random as a secret: those cannot be told by their looks.
        let is_text = |form: &Vec<u8>| form.is_ascii() && (form.starts_with(b"-----") || form.starts_with(b"{\""));
        let is_der = |form: &Vec<u8>| form.len() > 128 && form.starts_with(&[0x30, 0x82]);
        looks.extend(spellings_of_public_key(signer).into_iter().filter(|form| is_text(form) || is_der(form)));
    }
    for look in looks {
        let padded = [&look[..], &vec![b' '; 64_usize.saturating_sub(look.len())]].concat();
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let text = String::from_utf8_lossy(&padded).into_owned();
            let secret = Secret::new(padded.clone());
            assert!(VerifyingKey::from_secret(&secret, algorithm, None).is_err(), "{text}");
            assert!(Signer::from_secret(secret, algorithm, "s").is_err(), "{text}");
        }
    }
    for secret in [&b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[..], &[0xA7; 64]] {
        assert!(VerifyingKey::from_secret(&Secret::new(secret.to_vec()), Algorithm::HS512, None).is_ok());
    }
}

/// CVE-2026-0265 again: symmetric and asymmetric on one list.
#[test]
fn s2_05_one_issuer_is_symmetric_or_asymmetric() {
    for mixed in [
        [Algorithm::HS256, Algorithm::RS256],
        [Algorithm::ES256, Algorithm::HS512],
        [Algorithm::HS384, Algorithm::Ed25519],
    ] {
        assert_eq!(faulty_fields(policy().algorithms(mixed)), ["algorithms"]);
    }
    assert_eq!(faulty_fields(policy().algorithms([Algorithm::HS256, Algorithm::HS384])), [""; 0]);
    assert_eq!(faulty_fields(policy().algorithms([Algorithm::RS256, Algorithm::ES256])), [""; 0]);
}

/// The same private key under another algorithm.
fn again(signer: &Signer, algorithm: Algorithm) -> Signer {
    let private = Secret::new(signer.private_key().expose().clone());
    Signer::from_pkcs8_der(private, algorithm).expect("it fits").with_key_id(signer.key_id())
}

const RSA_LIST: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// CVE-2026-22817, CVE-2026-22818: a key without `alg` took the token's.
#[test]
fn s2_06_a_key_without_alg_has_one_algorithm_all_the_same() {
    let unlabelled = |signer: &Signer| {
        let mut jwk = signer.public_jwk().expect("public");
        jwk.as_object_mut().expect("an object").remove("alg");
        VerifyingKey::from_jwk(&jwk.to_string()).expect("usable")
    };
    let Keys { k1, r1, e1 } = keys();
    let of = |signer| unlabelled(signer).algorithm();
    assert_eq!((of(k1), of(r1), of(e1)), (Algorithm::ES256, Algorithm::RS256, Algorithm::Ed25519));

    let verifier = verifier(policy_over([unlabelled(r1)]).algorithms(RSA_LIST));
    assert_eq!(code(&verifier, &valid().by(r1)), OK);
    for other in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512] {
        assert_eq!(code(&verifier, &valid().by(&again(r1, other))), "key_mismatch", "{other}");
    }
}

#[test]
fn s2_06_a_policy_names_the_algorithm_of_unlabelled_rsa_keys() {
    let Keys { k1, r1, .. } = keys();
    let set = |label: bool| {
        let mut jwk = r1.public_jwk().expect("public");
        if !label {
            jwk.as_object_mut().expect("an object").remove("alg");
        }
        let key = VerifyingKey::from_jwk(&jwk.to_string()).expect("usable");
        let written = key.to_public_jwk().expect("public").to_string(); // as a snapshot for the next start holds it
        [VerifyingKey::from_jwk(&written).expect("usable"), public(k1)]
    };
    for named in RSA_LIST {
        let read_as = |label| policy_over(set(label)).algorithms(RSA_LIST).algorithm_of_unlabelled_rsa_keys(named);
        let (unlabelled, labelled) = (verifier(read_as(false)), verifier(read_as(true)));
        for algorithm in RSA_LIST {
            let by = |expected| if algorithm == expected { OK } else { "key_mismatch" };
            let token = valid().by(&again(r1, algorithm));
            assert_eq!(code(&unlabelled, &token), by(named), "{algorithm} by a key read as {named}");
            assert_eq!(code(&labelled, &token), by(Algorithm::RS256), "the key's own word counts");
        }
    }
    // One set of keys, read by several policies one after the other.
    let shared: Arc<dyn KeySource> = Arc::new(StaticKeys::new(set(false)));
    for named in RSA_LIST.into_iter().chain(RSA_LIST) {
        let policy = NeedsAudience::new(ISSUER, Arc::clone(&shared)).audience(AUDIENCE).algorithms(RSA_LIST);
        let verifier = verifier(policy.algorithm_of_unlabelled_rsa_keys(named));
        assert_eq!(code(&verifier, &valid().by(&again(r1, named))), OK, "{named}");
    }
    let faulty = Verifier::new(policy().algorithm_of_unlabelled_rsa_keys(Algorithm::ES256)).expect_err("no RSA");
    assert_eq!(faulty.faults()[0].field, "algorithm_of_unlabelled_rsa_keys");
}

/// CVE-2026-11800, CVE-2021-46743: a key used under an algorithm that is not its own.
#[test]
fn s2_07_the_tokens_algorithm_is_the_keys() {
    let r1 = &keys().r1;
    let verifier = verifier(policy().algorithms(RSA_LIST));
    for other in RSA_LIST {
        let expected = if other == Algorithm::RS256 { OK } else { "key_mismatch" };
        assert_eq!(code(&verifier, &valid().by(&again(r1, other))), expected, "{other}");
    }
    let labelled = again(r1, Algorithm::PS512);
    let verifier = super::fixture::verifier(policy_over([public(&labelled)]).algorithms(RSA_LIST));
    assert_eq!(code(&verifier, &valid().by(&labelled)), OK);
    assert_eq!(code(&verifier, &valid().by(r1)), "key_mismatch");
}

#[test]
fn s2_18_a_curve_has_one_algorithm() {
    let curves = [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512];
    for own in curves {
        let key = new_key(own, "c");
        let verifier = verifier(policy_over([public(&key)]).algorithms(curves));
        for named in curves {
            let mut jwk = key.public_jwk().expect("public");
            jwk["alg"] = json!(named.name());
            assert_eq!(VerifyingKey::from_jwk(&jwk.to_string()).is_ok(), own == named, "{own} labelled {named}");
            let token = valid().header("kid", "c").header("alg", named.name()).sign_with(&key);
            let expected = if own == named { OK } else { "key_mismatch" };
            assert_eq!(code(&verifier, &token), expected, "{own} signing as {named}");
        }
    }
    let secp256k1 = json!({ "kty": "EC", "crv": "secp256k1", "x": encode([1; 32]), "y": encode([1; 32]) });
    assert!(VerifyingKey::from_jwk(&secp256k1.to_string()).is_err());
    let mut labelled = keys().k1.public_jwk().expect("public");
    labelled["alg"] = json!("ES256K");
    assert!(VerifyingKey::from_jwk(&labelled.to_string()).is_err());
}

#[test]
fn s2_22_ed25519_under_both_names_where_both_are_listed() {
    let e1 = &keys().e1;
    let as_named = |alg: Option<&str>| {
        let mut jwk = e1.public_jwk().expect("public");
        match alg {
            Some(name) => jwk["alg"] = json!(name),
            None => drop(jwk.as_object_mut().expect("an object").remove("alg")),
        }
        VerifyingKey::from_jwk(&jwk.to_string()).expect("usable")
    };
    let headed = |alg: &str| valid().header("alg", alg).header("kid", "e1").sign_with(e1);
    for label in [Some("Ed25519"), Some("EdDSA"), None] {
        let both = policy_over([as_named(label)]).algorithms([Algorithm::Ed25519, Algorithm::EdDSA]);
        let both = verifier(both);
        assert_eq!((code(&both, &headed("Ed25519")), code(&both, &headed("EdDSA"))), (OK, OK), "{label:?}");
        let new_name = verifier(policy_over([as_named(label)]).algorithms([Algorithm::Ed25519]));
        assert_eq!(code(&new_name, &headed("Ed25519")), OK, "{label:?}");
        assert_eq!(code(&new_name, &headed("EdDSA")), "algorithm_not_allowed", "{label:?}");
        let old_name = verifier(policy_over([as_named(label)]).algorithms([Algorithm::EdDSA]));
        assert_eq!(code(&old_name, &headed("Ed25519")), "algorithm_not_allowed", "{label:?}");
    }
    for alg in ["EdDSA", "Ed448", "Ed25519"] {
        let ed448 = json!({ "kty": "OKP", "crv": "Ed448", "alg": alg, "kid": "d", "x": encode([3; 57]) });
        assert!(VerifyingKey::from_jwk(&ed448.to_string()).is_err(), "{alg}");
        let set = json!({ "keys": [ed448, e1.public_jwk()] }).to_string();
        let set = KeySet::from_jwks(set.as_bytes()).expect("one is usable");
        let verifier = verifier(policy_of(set));
        assert_eq!(code(&verifier, &valid().header("alg", "Ed25519").header("kid", "d").sign_with(e1)), "unknown_key");
        assert_eq!(code(&verifier, &valid().by(e1)), OK);
    }
    assert_eq!(Algorithm::from_name("Ed448"), None, "it cannot be listed");
}

#[test]
fn s2_27_names_that_are_no_signature_algorithm() {
    for name in [
        "RS1",
        "HS1",
        "ESB256",
        "A128KW",
        "dir",
        "RSA-OAEP",
        "RSA1_5",
        "PBES2-HS256+A128KW",
        "ES256 ",
        " ES256",
        "es256",
        "Es256",
        "ES256K",
        "ES256\u{0}",
        "eddsa",
        "ED25519",
        "ES-256",
        "SHA256",
    ] {
        assert_eq!(code_of(&valid().header("alg", name).sign()), "algorithm_not_allowed", "{name}");
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
    assert_eq!(code_of(&sign_text(r#"{"typ":"at+jwt","alg":"ES256","kid":"k1"}"#, valid().claims_json())), OK);
    assert_eq!(segments(&valid().sign()).len(), 3);
    assert_ne!(valid().header("alg", Value::Null).header_json(), valid().header_json());
}
