//! S2, keys as they arrive: purpose, strength, form, and what a set does with odd ones.

use countersign::key::{Algorithm, KeySet, VerifyingKey};
use countersign::secret::Secret;
use countersign_core::mint::Signer;
use countersign_tests::cost::least_cpu_time;
use serde_json::{Value, json};

use super::fixture::{
    OK, T, builder_at, built, code, decode, encode, keys, new_key, policy, policy_of, policy_over, public, valid,
    verifier, with_signature,
};

fn jwk_of(signer: &Signer) -> Value {
    signer.public_jwk().expect("a public key")
}

/// A JWK of `signer` with one member changed; `null` takes it away.
fn changed(signer: &Signer, member: &str, value: Value) -> Value {
    changed_jwk(jwk_of(signer), member, value)
}

fn changed_jwk(mut jwk: Value, member: &str, value: Value) -> Value {
    let members = jwk.as_object_mut().expect("an object");
    match value {
        Value::Null => drop(members.remove(member)),
        value => drop(members.insert(member.to_owned(), value)),
    }
    jwk
}

fn is_usable(jwk: &Value) -> bool {
    VerifyingKey::from_jwk(&jwk.to_string()).is_ok()
}

/// The entry is skipped and listed, the key beside it goes on working, and the skipped one checks nothing.
fn assert_skipped(odd: &Value, case: &str) {
    assert!(!is_usable(odd), "{case}: usable by itself");
    let good = new_key(Algorithm::ES256, "good");
    let set = json!({ "keys": [odd, jwk_of(&good)] }).to_string();
    let set = KeySet::from_jwks(set.as_bytes()).unwrap_or_else(|rejected| panic!("{case}: {rejected}"));
    assert_eq!((set.len(), set.skipped().len()), (1, 1), "{case}");
    let verifier = verifier(policy_of(set));
    assert_eq!(code(&verifier, &valid().by(&good)), OK, "{case}");
    assert_eq!(code(&verifier, &valid().sign()), "unknown_key", "{case}");
}

#[test]
fn s2_08_use_is_sig_or_absent() {
    let k1 = &keys().k1;
    for other in [json!("enc"), json!("foo"), json!(1), json!(["sig"]), json!("SIG")] {
        assert_skipped(&changed(k1, "use", other.clone()), &other.to_string());
    }
    assert!(is_usable(&jwk_of(k1)) && is_usable(&changed(k1, "use", Value::Null)));
}

#[test]
fn s2_09_key_ops_allow_verify_and_do_not_contradict_use() {
    let k1 = &keys().k1;
    for operations in [
        json!(["encrypt"]),
        json!(["sign"]),
        json!("verify"),
        json!([1]),
        json!({}),
        json!(["VERIFY"]),
        json!(["verify", "encrypt"]),
        json!(["verify", "deriveKey"]),
    ] {
        assert_skipped(&changed(k1, "key_ops", operations.clone()), &operations.to_string());
    }
    assert!(is_usable(&changed(k1, "key_ops", json!(["verify"]))));
    assert!(is_usable(&changed(k1, "key_ops", json!(["sign", "verify"]))));
}

/// What is empty says nothing, and what is said twice says it once. Both are reported.
#[test]
fn s2_09_empty_members_say_nothing_and_are_reported() {
    let (k1, r1) = (&keys().k1, &keys().r1);
    let thumbprint = |jwk: &Value| VerifyingKey::from_jwk(&jwk.to_string()).expect("usable").thumbprint().to_owned();
    for (signer, member, value) in [
        (k1, "key_ops", json!([])),
        (k1, "key_ops", json!(["verify", "verify"])),
        (k1, "key_ops", json!(["verify", "sign", "sign"])),
        (k1, "use", json!("")),
        (k1, "alg", json!("")),
        (r1, "alg", json!("")),
        (k1, "d", json!("")),
        (r1, "oth", json!([])),
        (r1, "d", json!("")),
        (r1, "qi", json!("")),
    ] {
        let odd = changed(signer, member, value.clone());
        let key = VerifyingKey::from_jwk(&odd.to_string()).unwrap_or_else(|error| panic!("{member} {value}: {error}"));
        assert_eq!(key.irregularities().len(), 1, "{member} {value}");
        assert_eq!(key.thumbprint(), thumbprint(&jwk_of(signer)), "{member} {value}");
    }
    for (member, value) in
        [("oth", json!([{}])), ("d", json!(" ")), ("d", json!({})), ("d", json!(false)), ("d", json!(0))]
    {
        let odd = json!({ "keys": [changed(r1, member, value.clone())] }).to_string();
        let rejected = KeySet::from_jwks(odd.as_bytes()).expect_err("private");
        assert!(rejected.skipped()[0].is_private_key, "{member} {value}");
    }
    let nulls = jwk_of(k1)
        .as_object()
        .expect("an object")
        .iter()
        .chain([(&"d".to_owned(), &Value::Null)])
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>();
    assert!(is_usable(&Value::Object(nulls)));
}

/// A modulus of exactly `bits` bits: odd, so that it is one by its form.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xA5; bits.div_ceil(8)];
    bytes[0] = 0xff >> ((8 - bits % 8) % 8);
    *bytes.last_mut().expect("not empty") |= 1;
    bytes
}

fn rsa(n: &[u8], e: &[u8]) -> Value {
    json!({ "kty": "RSA", "kid": "odd", "use": "sig", "alg": "RS256", "n": encode(n), "e": encode(e) })
}

const F4: &[u8] = &[1, 0, 1];

/// CVE-2022-23539 (weak key types taken); S11.07 is the upper bound.
#[test]
fn s2_10_s11_07_rsa_moduli_have_2048_to_8192_bits() {
    for bits in [512, 1024, 2040, 2047, 8193, 8200, 16384] {
        assert_skipped(&rsa(&modulus(bits), F4), &format!("{bits} bits"));
    }
    for bits in [2048, 2049, 3072, 4096, 8192] {
        assert!(is_usable(&rsa(&modulus(bits), F4)), "{bits} bits");
    }
    let padded = [vec![0; 16], modulus(2047)].concat();
    assert_skipped(&rsa(&padded, F4), "2047 bits behind zero octets");
}

#[test]
fn s2_11_rsa_exponents_are_odd_and_neither_small_nor_large() {
    let n = modulus(2048);
    let huge = [&[1_u8][..], &[0; 510], &[1]].concat();
    let beyond_32_bits = [2, 0, 0, 0, 1];
    let exponents: [&[u8]; 9] = [&[], &[0], &[1], &[2], &[3], &[17], &[1, 0, 0], &beyond_32_bits, &huge];
    for e in exponents {
        assert_skipped(&rsa(&n, e), &format!("{:?}", &e[..e.len().min(8)]));
    }
    assert_skipped(&rsa(&n, &[0xff, 0xff, 0xff, 0xfe]), "even");
    assert!(is_usable(&rsa(&n, F4)));
    assert!(is_usable(&rsa(&n, &[0x80, 0, 0, 1])), "of 32 bits");
}

/// Nothing is computed with such a key: it is turned away by its length.
#[test]
fn s11_07_a_giant_rsa_key_costs_no_time() {
    let set = json!({ "keys": [rsa(&modulus(16384), F4), rsa(&modulus(2048), &[0xff; 512]), jwk_of(&keys().k1)] });
    let set = set.to_string();
    let time = least_cpu_time(|| {
        let read = KeySet::from_jwks(set.as_bytes()).expect("one is usable");
        assert_eq!(read.len(), 1);
    });
    assert!(time < std::time::Duration::from_millis(5), "{time:?}");
}

#[test]
fn s2_12_leading_zero_octets_of_numbers_are_taken_and_change_no_thumbprint() {
    let r1 = &keys().r1;
    let n = decode(jwk_of(r1)["n"].as_str().expect("n"));
    let with_zeros = |count: usize, bytes: &[u8]| json!(encode([&vec![0; count][..], bytes].concat()));
    assert_eq!(F4.len(), 3);
    for irregular in [
        changed(r1, "n", with_zeros(1, &n)),
        changed(r1, "n", with_zeros(300, &n)),
        changed(r1, "e", with_zeros(1, F4)),
        changed(r1, "e", with_zeros(9, F4)),
        changed_jwk(changed(r1, "n", with_zeros(1, &n)), "e", with_zeros(1, F4)),
    ] {
        assert_reads_as(&irregular, r1, &["a number begins with a zero octet (RFC 7518 §2)"]);
    }
    assert_skipped(&changed(r1, "e", with_zeros(4, &[])), "nothing but zeros");
    for spelled in [encode(&n) + "===", encode(&n) + "AAA", encode(&n).replace('A', "+") + "+", String::new()] {
        assert_skipped(&changed(r1, "n", json!(spelled)), "not base64url");
    }
    assert_skipped(&changed(r1, "n", json!(1)), "a number");
    assert!(is_usable(&jwk_of(r1)));
}

/// The entry is used as the key that it means: it verifies its tokens, and has the thumbprint of the correct form.
fn assert_reads_as(irregular: &Value, signer: &Signer, problems: &[&str]) {
    let read = VerifyingKey::from_jwk(&irregular.to_string()).unwrap_or_else(|why| panic!("{irregular}: {why}"));
    let correct = VerifyingKey::from_jwk(&jwk_of(signer).to_string()).expect("usable");
    assert!(correct.irregularities().is_empty());
    assert_eq!((read.thumbprint(), read.to_public_jwk()), (correct.thumbprint(), correct.to_public_jwk()));
    assert_eq!(read.irregularities(), problems, "{irregular}");
    let verdict = |jwk: &Value| {
        let set = json!({ "keys": [jwk] }).to_string();
        let set = KeySet::from_jwks(set.as_bytes()).expect("usable");
        code(&verifier(policy_of(set)), &valid().by(signer))
    };
    assert_eq!(verdict(irregular), verdict(&jwk_of(signer)), "{irregular}");
}

#[test]
fn s2_12_s2_16_padding_of_any_number_is_taken_and_reported() {
    const PADDED: &str = "a number is padded with = (RFC 7515 §2)";
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::Ed25519, Algorithm::RS256, Algorithm::MlDsa44] {
        let key = new_key(algorithm, "odd");
        for name in ["x", "y", "n", "e", "pub"] {
            let Some(text) = jwk_of(&key)[name].as_str().map(str::to_owned) else { continue };
            let padding = match text.len() % 4 {
                2 => "==",
                3 => "=",
                _ => continue,
            };
            assert_reads_as(&changed(&key, name, json!(text.clone() + padding)), &key, &[PADDED]);
            for wrong in [format!("{text}{padding}="), format!("={text}"), format!("{text} =")] {
                assert_skipped(&changed(&key, name, json!(wrong)), "not padding");
            }
        }
    }
}

#[test]
fn s2_16_coordinates_are_brought_to_the_fields_full_length() {
    const LENGTH: &str = "a coordinate does not have the curve's full length (RFC 7518 §6.2.1)";
    for (algorithm, bytes) in [(Algorithm::ES256, 32), (Algorithm::ES384, 48), (Algorithm::ES512, 66)] {
        let key = new_key(algorithm, "odd");
        let coordinate = |name: &str| decode(jwk_of(&key)[name].as_str().expect("a coordinate"));
        for name in ["x", "y"] {
            let full = coordinate(name);
            assert_eq!(full.len(), bytes, "{algorithm}");
            assert_skipped(&changed(&key, name, json!(encode([&[1], &full[..]].concat()))), "an octet more");
            assert_reads_as(&changed(&key, name, json!(encode([&[0], &full[..]].concat()))), &key, &[LENGTH]);
            if full[0] != 0 {
                assert_skipped(&changed(&key, name, json!(encode(&full[1..]))), "an octet less, of another number");
            }
            assert_skipped(&changed(&key, name, json!("")), "empty");
            assert_skipped(&changed(&key, name, Value::Null), "none");
        }
        let compressed = encode([&[2], &coordinate("x")[..]].concat());
        let compressed = changed(&key, "x", json!(compressed));
        assert_skipped(&changed_jwk(compressed, "y", Value::Null), "compressed");
    }
    let with_leading_zero = std::iter::repeat_with(|| new_key(Algorithm::ES256, "odd"))
        .find(|key| decode(jwk_of(key)["x"].as_str().expect("x"))[0] == 0)
        .expect("one of 256");
    assert!(is_usable(&jwk_of(&with_leading_zero)));
    let x = decode(jwk_of(&with_leading_zero)["x"].as_str().expect("x"));
    assert_reads_as(&changed(&with_leading_zero, "x", json!(encode(&x[1..]))), &with_leading_zero, &[LENGTH]);
}

/// CVE-2016-9121: points that are on no curve of ours.
#[test]
fn s2_17_points_are_on_the_curve() {
    for (algorithm, crv) in [(Algorithm::ES256, "P-256"), (Algorithm::ES384, "P-384"), (Algorithm::ES512, "P-521")] {
        let key = new_key(algorithm, "odd");
        let mut y = decode(jwk_of(&key)["y"].as_str().expect("y"));
        *y.last_mut().expect("not empty") ^= 1;
        assert_skipped(&changed(&key, "y", json!(encode(&y))), "y off by one");
        let point = |byte: u8| json!({ "kty": "EC", "kid": "odd", "crv": crv, "x": encode(vec![byte; y.len()]), "y": encode(vec![byte; y.len()]) });
        assert_skipped(&point(0), "(0, 0)");
        assert_skipped(&point(0xff), "beyond the prime");
    }
    let p384 = changed(&new_key(Algorithm::ES384, "odd"), "alg", Value::Null);
    let mut mislabelled = p384.clone();
    mislabelled["crv"] = json!("P-256");
    assert_skipped(&mislabelled, "a point of P-384 labelled P-256");
    assert!(is_usable(&p384));
}

/// x = p + 1 would be x = 1 to arithmetic that reduces first.
#[test]
fn s2_17_coordinates_are_below_the_prime() {
    let mut beyond = decode("_____wAAAAEAAAAAAAAAAAAAAAD_______________w"); // the prime of P-256
    for octet in beyond.iter_mut().rev() {
        let (sum, carried) = octet.overflowing_add(1);
        *octet = sum;
        if !carried {
            break;
        }
    }
    let k1 = new_key(Algorithm::ES256, "odd");
    for name in ["x", "y"] {
        assert_skipped(&changed(&k1, name, json!(encode(&beyond))), name);
    }
}

#[test]
fn s2_23_ed25519_keys_are_canonical_and_of_full_order() {
    let e1 = &keys().e1;
    let okp = |x: &[u8]| json!({ "kty": "OKP", "crv": "Ed25519", "kid": "odd", "x": encode(x) });
    let little_endian = |low: u8, high: u8, top: u8| {
        let mut bytes = [high; 32];
        (bytes[0], bytes[31]) = (low, top);
        bytes
    };
    let of_order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let of_order_8: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&of_order_8[2 * i..2 * i + 2], 16).expect("hex")).collect();
    let mut of_order_8_too = of_order_8.clone();
    of_order_8_too[31] |= 0x80;
    for (x, case) in [
        (little_endian(1, 0, 0).to_vec(), "order 1"),
        (little_endian(0xec, 0xff, 0x7f).to_vec(), "order 2"),
        (little_endian(0, 0, 0).to_vec(), "order 4"),
        (little_endian(0, 0, 0x80).to_vec(), "order 4, the other sign"),
        (of_order_8, "order 8"),
        (of_order_8_too, "order 8, the other sign"),
    ] {
        assert_skipped(&okp(&x), case);
    }
    for low in 0xed..=0xff {
        for top in [0x7f, 0xff] {
            assert_skipped(&okp(&little_endian(low, 0xff, top)), &format!("y beyond the prime: {low:#x} {top:#x}"));
        }
    }
    let x = decode(jwk_of(e1)["x"].as_str().expect("x"));
    assert_skipped(&okp(&x[1..]), "31 octets");
    assert_skipped(&okp(&[&x[..], &[0]].concat()), "33 octets");
    assert!(is_usable(&okp(&x)));
    for (member, value) in
        [("crv", json!("X25519")), ("crv", json!("Ed448")), ("crv", Value::Null), ("kty", json!("AKP"))]
    {
        for labelled in [okp(&x), changed_jwk(okp(&x), "alg", json!("EdDSA"))] {
            assert_skipped(&changed_jwk(labelled, member, value.clone()), &format!("{member} {value}"));
        }
    }
    let of_other_kind = json!({ "kty": "AKP", "alg": "EdDSA", "kid": "odd", "pub": encode(&x) });
    assert_skipped(&of_other_kind, "an Ed25519 key in the dress of another kind");
}

/// Only a y of that beginning and that end and all between is beyond the prime.
#[test]
fn s2_23_ed25519_keys_that_resemble_one_beyond_the_prime_are_taken() {
    let x = |key: &Signer| decode(jwk_of(key)["x"].as_str().expect("x"));
    for resembles in [|x: &[u8]| x[0] >= 0xed, |x: &[u8]| x[31] & 0x7f == 0x7f, |x: &[u8]| x[7] == 0xff] {
        let key = std::iter::repeat_with(|| new_key(Algorithm::Ed25519, "k")).find(|key| resembles(&x(key)));
        assert!(is_usable(&jwk_of(&key.expect("one of some hundred"))));
    }
}

#[test]
fn s2_24_secrets_are_as_long_as_the_hash() {
    for (algorithm, least) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let of = |length: usize| VerifyingKey::from_secret(&Secret::new(vec![b'k'; length]), algorithm, None).is_ok();
        for short in [0, 1, least / 2, least - 1] {
            assert!(!of(short), "{algorithm} with {short} octets");
        }
        assert!(of(least) && of(least + 1), "{algorithm}");
    }
    for asymmetric in [Algorithm::ES256, Algorithm::RS256, Algorithm::Ed25519] {
        assert!(VerifyingKey::from_secret(&Secret::new(vec![b'k'; 64]), asymmetric, None).is_err());
    }
}

/// CVE-2026-44351, CVE-2026-45363, CVE-2026-49852, CVE-2026-27962, CVE-2019-20933, CVE-2021-41106: no key, or an empty
/// one, that still verified.
#[test]
fn s2_25_no_key_is_no_key_and_never_an_empty_one() {
    assert!(VerifyingKey::from_secret(&Secret::new(Vec::new()), Algorithm::HS256, Some("k1")).is_err());
    let hmac = policy_over([]).algorithms([Algorithm::HS256]);
    let secret = Signer::from_secret(Secret::new(vec![b's'; 32]), Algorithm::HS256, "s1").expect("long enough");
    let one_key = policy_over([public(&secret)]).algorithms([Algorithm::HS256]);
    let empty = {
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
        let message = format!(
            "{}.{}",
            encode(valid().header("alg", "HS256").without_header("kid").header_json()),
            encode(valid().claims_json())
        );
        format!("{message}.{}", encode(sign(&Key::new(HMAC_SHA256, b""), message.as_bytes())))
    };
    assert_eq!(code(&verifier(hmac), &empty), "unknown_key");
    assert_eq!(code(&verifier(one_key.clone()), &empty), "bad_signature");
    assert_eq!(code(&verifier(one_key), &valid().by(&secret)), OK);
    for nothing in ["{\"keys\":[]}", "{}", "[]", "null", "", "{\"keys\":[{}]}", "{\"keys\":[null]}"] {
        assert!(KeySet::from_jwks(nothing.as_bytes()).is_err(), "{nothing}");
    }
    assert_eq!(code(&verifier(policy_over([])), &valid().sign()), "unknown_key");
}

#[test]
fn s2_28_ml_dsa_where_it_is_listed() {
    let sizes = [(Algorithm::MlDsa44, 1312, 2420), (Algorithm::MlDsa65, 1952, 3309), (Algorithm::MlDsa87, 2592, 4627)];
    for (algorithm, public_bytes, signature_bytes) in sizes {
        let key = new_key(algorithm, "pq");
        let jwk = jwk_of(&key);
        assert_eq!((jwk["kty"].as_str(), jwk["alg"].as_str()), (Some("AKP"), Some(algorithm.name())));
        assert_eq!(decode(jwk["pub"].as_str().expect("pub")).len(), public_bytes, "{algorithm}");
        let token = valid().by(&key);
        let signature = super::fixture::signature_of(&token);
        assert_eq!(signature.len(), signature_bytes, "{algorithm}");

        let listed = verifier(policy_over([public(&key)]).algorithms([algorithm]));
        assert_eq!(code(&listed, &token), OK, "{algorithm}");
        for broken in [&signature[1..], &[&signature[..], &[0]].concat(), &vec![0; signature_bytes]] {
            let expected = if broken.len() > 4627 { "malformed" } else { "bad_signature" };
            assert_eq!(code(&listed, &with_signature(&token, broken)), expected, "{algorithm}");
        }
        let der = public(&key).to_public_der().expect("public");
        let from_der = VerifyingKey::from_public_der(&der, algorithm, Some("pq")).expect("usable");
        assert_eq!(
            code(&verifier(policy_over([from_der]).algorithms([algorithm])), &token),
            OK,
            "{algorithm} from DER"
        );
        let by_default = policy_over([public(&key), public(&keys().k1)]).algorithms(Algorithm::DEFAULT.to_vec());
        let by_default = verifier(by_default);
        assert_eq!(code(&by_default, &token), "algorithm_not_allowed", "{algorithm}");
        assert_eq!(code(&by_default, &valid().sign()), OK, "a key of ML-DSA in the set harms no other");

        let short = encode(&decode(jwk["pub"].as_str().expect("pub"))[1..]);
        assert_skipped(&changed(&key, "alg", Value::Null), "AKP without alg");
        assert_skipped(&changed(&key, "pub", json!(short)), "a short pub");
        assert_skipped(&changed(&key, "pub", Value::Null), "no pub");
        assert_skipped(&changed(&key, "alg", json!("ES256")), "another kind's alg");
        assert_skipped(&changed(&key, "priv", json!(encode([7; 32]))), "the seed published");
        let too_small =
            built(builder_at(T).trust(policy_over([public(&key)]).algorithms([algorithm])).max_token_bytes(2048));
        assert_eq!(code(&too_small, &token), "too_large", "{algorithm}");
    }
}

#[test]
fn s2_29_published_private_keys_are_burnt() {
    let k1 = &keys().k1;
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        let odd = changed(k1, member, json!("AQAB"));
        assert_skipped(&odd, member);
        let set = json!({ "keys": [odd, jwk_of(&keys().r1)] }).to_string();
        let set = KeySet::from_jwks(set.as_bytes()).expect("one is usable");
        assert!(set.skipped()[0].is_private_key, "{member}");
        assert_eq!(set.skipped()[0].key_id, "k1", "{member}");
    }
    let secret = json!({ "kty": "oct", "kid": "s", "k": encode([7; 32]) });
    assert_skipped(&secret, "a shared secret");
    let harmless = KeySet::from_jwks(json!({ "keys": [jwk_of(k1)] }).to_string().as_bytes()).expect("usable");
    assert!(harmless.skipped().is_empty());
}

/// Signing with a key whose halves do not belong together gives the private one away.
#[test]
fn s2_30_a_mismatched_pair_is_refused_at_load() {
    for algorithm in [Algorithm::ES256, Algorithm::Ed25519, Algorithm::RS256] {
        let key = new_key(algorithm, "k");
        let der = key.private_key().expose().clone();
        assert!(Signer::from_pkcs8_der(Secret::new(der.clone()), algorithm).is_ok(), "{algorithm}");
        let jwk = jwk_of(&key);
        let half = decode(jwk["x"].as_str().or(jwk["n"].as_str()).expect("a public half"));
        let at = der.windows(half.len()).position(|window| window == half).expect("the public half is in it");
        let mut broken = der;
        broken[at + half.len() - 1] ^= 2;
        assert!(Signer::from_pkcs8_der(Secret::new(broken), algorithm).is_err(), "{algorithm}");
    }
}

#[test]
fn s2_30_the_same_claims_signed_twice_are_accepted_twice() {
    let verifier = verifier(policy());
    for signer in [&keys().k1, &keys().r1, &keys().e1] {
        let (first, second) = (valid().by(signer), valid().by(signer));
        assert_eq!((code(&verifier, &first), code(&verifier, &second)), (OK, OK), "{}", signer.algorithm());
    }
}
