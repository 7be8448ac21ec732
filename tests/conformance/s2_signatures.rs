//! S2, the signature itself: lengths, ranges, encodings, and what is allowed to vary.

use aws_lc_rs::hmac;
use countersign::key::Algorithm;
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_core::mint::Signer;

use super::fixture::{
    OK, code, decode, encode, keys, new_key, policy, policy_over, public, signature_of, valid, verifier, with_signature,
};
use super::number::{self, Number};

fn alone(signer: &Signer) -> Verifier {
    verifier(policy_over([public(signer)]).algorithms([signer.algorithm()]))
}

/// A curve's algorithm, the octets of a coordinate and the order of its group.
const CURVES: [(Algorithm, usize, &str); 3] = [
    (Algorithm::ES256, 32, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        Algorithm::ES384,
        48,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        Algorithm::ES512,
        66,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5\
         c9b8899c47aebb6fb71e91386409",
    ),
];

#[test]
fn s2_13_an_rsa_signature_is_as_long_as_its_modulus() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let modulus = |key: &Signer| decode(key.public_jwk().expect("public")["n"].as_str().expect("n"));
        // Not all but 2^2048, so that a signature can be added to it.
        let key =
            std::iter::repeat_with(|| new_key(algorithm, "r")).find(|key| modulus(key)[0] != 0xff).expect("a key");
        let (verifier, n) = (alone(&key), modulus(&key));
        let led_by_zero = (0..)
            .map(|number| valid().claim("jti", format!("j{number}")).by(&key))
            .find(|token| signature_of(token)[0] == 0)
            .expect("one of 256");
        assert_eq!(code(&verifier, &led_by_zero), OK);
        let signature = signature_of(&led_by_zero);
        let beyond_modulus = number::sum(&signature, &n); // the same number modulo n, of as many octets
        assert_eq!(beyond_modulus.len(), 256);
        for (broken, case) in [
            (signature[1..].to_vec(), "the leading zero left out"),
            ([&[0], &signature[..]].concat(), "a zero more in front"),
            ([&signature[..], &[0]].concat(), "a zero more behind"),
            (signature[..255].to_vec(), "an octet less"),
            (beyond_modulus, "s + n"),
            (n.clone(), "n"),
            (vec![0xff; 256], "all ones"),
            (vec![0; 256], "zero"),
            ([&[0; 255][..], &[1]].concat(), "one"),
        ] {
            let refused = code(&verifier, &with_signature(&led_by_zero, &broken));
            assert_eq!(refused, "bad_signature", "{algorithm}: {case}");
        }
        assert_eq!(code(&verifier, &with_signature(&led_by_zero, &[])), "malformed");
    }
}

/// Up to the longest of any algorithm, ML-DSA-87.
#[test]
fn s2_13_a_signature_of_another_length_is_read_and_does_not_match() {
    let key = &keys().k1;
    let token = valid().by(key);
    for bytes in [1, 511, 512, 513, 1024, 2420, 3309, 4627] {
        assert_eq!(code(&alone(key), &with_signature(&token, &vec![7; bytes])), "bad_signature", "{bytes}");
    }
    assert_eq!(code(&alone(key), &with_signature(&token, &[7; 4628])), "malformed");
}

#[test]
fn s2_19_an_ecdsa_signature_is_of_fixed_width() {
    for (algorithm, width, _) in CURVES {
        let key = new_key(algorithm, "c");
        let verifier = alone(&key);
        let token = valid().by(&key);
        let signature = signature_of(&token);
        assert_eq!((signature.len(), code(&verifier, &token)), (2 * width, OK), "{algorithm}");
        let (r, s) = signature.split_at(width);
        for (broken, case) in [
            (number::der_pair(r, s), "DER"),
            (signature[1..].to_vec(), "an octet less in front"),
            (signature[..2 * width - 1].to_vec(), "an octet less behind"),
            ([&signature[..], &[0]].concat(), "an octet more behind"),
            ([&[0], &signature[..]].concat(), "an octet more in front"),
            ([&[0], r, &[0], s].concat(), "an octet more each"),
            (signature.iter().copied().cycle().take(128).collect(), "128 octets"),
            ([s, r].concat(), "s and r exchanged"),
        ] {
            if broken.len() == signature.len() && broken == signature {
                continue; // 128 octets are no curve's width
            }
            let refused = code(&verifier, &with_signature(&token, &broken));
            assert_eq!(refused, "bad_signature", "{algorithm}: {case}");
        }
    }
}

/// CVE-2022-21449: a signature of zeros that fitted every message.
#[test]
fn s2_20_r_and_s_are_neither_zero_nor_the_order_or_more() {
    for (algorithm, width, order) in CURVES {
        let key = new_key(algorithm, "c");
        let verifier = alone(&key);
        let token = valid().by(&key);
        let honest = signature_of(&token);
        let (r, s) = honest.split_at(width);
        let n = number::from_hex(order);
        assert_eq!(n.len(), width, "{algorithm}");
        let (zero, ones) = (vec![0; width], vec![0xff; width]);
        let one_above = number::sum(&n, &[1]);
        for (r, s, case) in [
            (&zero[..], &zero[..], "both zero"),
            (&zero, s, "r zero"),
            (r, &zero, "s zero"),
            (&n, s, "r the order"),
            (r, &n, "s the order"),
            (&n, &n, "both the order"),
            (&ones, &ones, "all ones"),
            (&one_above, s, "r above the order"),
            (r, &one_above, "s above the order"),
        ] {
            let refused = code(&verifier, &with_signature(&token, &[r, s].concat()));
            assert_eq!(refused, "bad_signature", "{algorithm}: {case}");
        }
        assert_eq!(code(&verifier, &with_signature(&token, &decode("MAYCAQACAQA"))), "bad_signature", "{algorithm}");
        assert_eq!(code(&verifier, &token), OK, "{algorithm}");
    }
}

/// The second signature is as good as the first; so that nothing may be keyed by the text of a token.
#[test]
fn s2_21_the_other_s_of_an_ecdsa_signature_is_accepted_too() {
    for (algorithm, width, order) in CURVES {
        let key = new_key(algorithm, "c");
        let verifier = alone(&key);
        let token = valid().by(&key);
        let honest = signature_of(&token);
        let (r, s) = honest.split_at(width);
        let flipped = with_signature(&token, &[r, &number::difference(&number::from_hex(order), s)].concat());
        assert_ne!(flipped, token);
        assert_eq!((code(&verifier, &token), code(&verifier, &flipped)), (OK, OK), "{algorithm}");
        let seen = super::fixture::judge(&verifier, &flipped).expect("accepted");
        assert_eq!(seen.token_id(), Some("j1"), "the jti is what both have in common");
    }
}

#[test]
fn s2_23_an_ed25519_signature_is_canonical() {
    let e1 = &keys().e1;
    let verifier = verifier(policy());
    let token = valid().by(e1);
    let honest = signature_of(&token);
    let (r, s) = honest.split_at(32);
    let order = number::from_hex("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed");
    let big_endian = |bytes: &[u8]| -> Number { bytes.iter().rev().copied().collect() };
    let beyond_order = big_endian(&number::sum(&big_endian(s), &order)); // the same number modulo the order
    assert_eq!(beyond_order.len(), 32);
    let mut identity = [0_u8; 32];
    identity[0] = 1;
    for (broken, case) in [
        ([r, &beyond_order].concat(), "S + L"),
        ([r, &big_endian(&order)].concat(), "S = L"),
        (honest[..63].to_vec(), "63 octets"),
        ([&honest[..], &[0]].concat(), "65 octets"),
        ([&honest[..], &honest[..50]].concat(), "114 octets, as Ed448 has"),
        ([&identity[..], &[0; 32]].concat(), "the neutral element and zero"),
        (vec![0; 64], "zeros"),
        (vec![0xff; 64], "ones"),
        ([s, r].concat(), "S and R exchanged"),
    ] {
        assert_eq!(code(&verifier, &with_signature(&token, &broken)), "bad_signature", "{case}");
    }
    assert_eq!(code(&verifier, &token), OK);
}

/// CVE-2016-7036, CVE-2015-10004 and CVE-2026-59276 compared octet by octet and stopped early; the comparison here is
/// that of aws-lc-rs (`hmac::verify`), constant in time.
#[test]
fn s2_26_a_mac_is_compared_in_full() {
    for (algorithm, length) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let key = Signer::from_secret(Secret::new(vec![b'q'; 64]), algorithm, "h").expect("long enough");
        let verifier = alone(&key);
        let token = valid().by(&key);
        let honest = signature_of(&token);
        assert_eq!((honest.len(), code(&verifier, &token)), (length, OK));
        let mut last_differs = honest.clone();
        last_differs[length - 1] ^= 1;
        for broken in [&honest[..16], &honest[..length - 1], &[&honest[..], &[0]].concat(), &last_differs] {
            let refused = code(&verifier, &with_signature(&token, broken));
            assert_eq!(refused, "bad_signature", "{algorithm}, {} octets", broken.len());
        }
        assert_eq!(code(&verifier, &with_signature(&token, &[])), "malformed");
    }
}

#[test]
fn s2_26_each_hash_belongs_to_its_name() {
    let secret = [b'q'; 64];
    for (named, hash) in [
        (Algorithm::HS256, hmac::HMAC_SHA384),
        (Algorithm::HS384, hmac::HMAC_SHA512),
        (Algorithm::HS512, hmac::HMAC_SHA256),
    ] {
        let key = Signer::from_secret(Secret::new(secret.to_vec()), named, "h").expect("long enough");
        let token = valid().by(&key);
        let signed = &token[..token.rfind('.').expect("a dot")];
        let tag = hmac::sign(&hmac::Key::new(hash, &secret), signed.as_bytes());
        assert_eq!(code(&alone(&key), &format!("{signed}.{}", encode(tag))), "bad_signature", "{named}");
        assert_eq!(code(&alone(&key), &token), OK, "{named}");
    }
}
