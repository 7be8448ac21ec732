//! S1.25 and properties: whatever is done to a good token, the verifier neither panics nor accepts it.
//!
//! `COUNTERSIGN_MUTATIONS` sets how many mutations are tried (default 100 000; a million takes some ten times as long).

use std::sync::LazyLock;

use countersign::key::Algorithm;
use countersign::policy::Profile;
use countersign::secret::Secret;
use countersign::token::Unverified;
use countersign::verify::Verifier;
use countersign_core::mint::Signer;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fixture::{
    OK, Token, code, code_alone, decode, encode, judge, new_key, policy, policy_over, public, segments, valid, verifier,
};

/// A key of every algorithm.
fn signers() -> &'static [Signer] {
    static SIGNERS: LazyLock<Vec<Signer>> = LazyLock::new(|| {
        let make = |(index, algorithm): (usize, &Algorithm)| {
            let key_id = format!("key-{index}");
            if algorithm.is_symmetric() {
                Signer::from_secret(Secret::new(vec![b'q'; 64]), *algorithm, &key_id).expect("long enough")
            } else {
                new_key(*algorithm, &key_id)
            }
        };
        Algorithm::ALL.iter().enumerate().map(make).collect()
    });
    &SIGNERS
}

fn alone(signer: &Signer) -> Verifier {
    verifier(policy_over([public(signer)]).algorithms([signer.algorithm()]).profile(Profile::Compatible))
}

fn any_claims() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no other", |number| number.is_finite()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("x.{0,10}", value, 0..6).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s1_25_s2_30_what_is_minted_is_accepted_and_reads_the_same(
        index in 0..Algorithm::ALL.len(),
        subject in "\\PC{1,20}",
        claims in any_claims(),
    ) {
        let signer = &signers()[index];
        let mut token = valid().claim("sub", subject.clone());
        token.claims.extend(claims);
        let text = token.clone().by(signer);
        let verified = judge(&alone(signer), &text).map_err(|refused| TestCaseError::fail(refused.to_string()))?;
        prop_assert_eq!(verified.subject(), subject);
        prop_assert_eq!(verified.algorithm(), Some(signer.algorithm()));
        // Numbers are compared as text: a float may be written with fewer digits.
        let read = verified.claims::<Value>().expect("any JSON");
        prop_assert_eq!(read.to_string(), serde_json::from_str::<Value>(&token.claims_json()).expect("JSON").to_string());
    }

    /// CVE-2019-17195, CVE-2024-21664, CVE-2016-9123, CVE-2019-12995, CVE-2024-45809, CVE-2025-64527: input that ended
    /// the process.
    #[test]
    fn s1_25_no_text_makes_the_parser_panic(text in "\\PC{0,300}", header in "\\PC{0,60}", payload in "\\PC{0,60}") {
        let _ = Unverified::parse(&text);
        let _ = Unverified::parse(&format!("{}.{}.AAAA", encode(&header), encode(&payload)));
        let _ = Unverified::parse(&format!("{}.{}.AAAA", encode(r#"{"alg":"ES256"}"#), encode(&payload)));
    }

    #[test]
    fn s1_25_no_octets_make_the_parser_panic(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>()) {
        let token = format!("{}.{}.AAAA", encode(header), encode(payload));
        prop_assert!(Unverified::parse(&token).is_err());
    }
}

#[test]
fn s1_25_every_single_bit_counts() {
    for signer in signers() {
        // Of a long signature every bit would take long, and one tells as much as its neighbour.
        let step = if signer.algorithm().name().starts_with("ML-DSA") { 37 } else { 1 };
        let verifier = alone(signer);
        let token = valid().by(signer);
        assert_eq!(code(&verifier, &token), OK);
        let parts = segments(&token);
        for index in 0..3 {
            let octets = decode(&parts[index]);
            let step = if index == 2 { step } else { 3 };
            for bit in (0..octets.len() * 8).step_by(step) {
                let mut changed = octets.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let mut parts = parts.clone();
                parts[index] = encode(changed);
                assert_ne!(code_alone(&verifier, &parts.join(".")), OK, "{} {index} {bit}", signer.algorithm());
            }
        }
    }
}

#[test]
fn s1_25_every_single_character_counts() {
    let verifier = verifier(policy());
    let token = valid().sign();
    let alphabet = ['A', 'B', 'g', 'w', '0', '9', '-', '_', '.', '=', ' ', '\u{0}', 'é'];
    for (at, own) in token.char_indices() {
        for other in alphabet.into_iter().filter(|other| *other != own) {
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert_ne!(code(&verifier, &changed), OK, "{other:?} at {at}");
        }
        let removed = format!("{}{}", &token[..at], &token[at + 1..]);
        assert_ne!(code(&verifier, &removed), OK, "without {at}");
    }
}

/// A small generator of its own, so that a failure can be run again by its number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides.max(1)
    }
}

/// Bits turned, pieces cut, doubled, exchanged; JSON spliced beneath the base64.
fn mutated(token: &str, dice: &mut Dice) -> Vec<u8> {
    const PIECES: [&str; 14] = [
        ".",
        "..",
        "=",
        "e30",
        "eyJhbGciOiJub25lIn0",
        "{",
        "}",
        "\"",
        "\u{0}",
        "\u{feff}",
        "AAAA",
        "-_",
        " ",
        "\\u0000",
    ];
    const MEMBERS: [&str; 10] = [
        "\"alg\":\"none\"",
        "\"sub\":\"admin\"",
        "\"exp\":1e999",
        "\"exp\":-1",
        "\"crit\":[]",
        "\"x\":[[[[[[[[[[",
        "\"kid\":null",
        "\"aud\":[[]]",
        "\"b64\":false",
        "\"\\ud800\":1",
    ];
    let mut bytes = token.as_bytes().to_vec();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(bytes.len());
        match dice.roll(7) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes())),
            3 => {
                let end = (at + dice.roll(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => drop(bytes.splice(at..(at + dice.roll(8)).min(bytes.len()), [])),
            5 => bytes[at] = u8::try_from(dice.roll(256)).expect("an octet"),
            _ => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
                let which = dice.roll(2).min(parts.len() - 1);
                if let Ok(mut json) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&parts[which]) {
                    let member = MEMBERS[dice.roll(MEMBERS.len())];
                    let at = dice.roll(json.len() + 1);
                    let at = if dice.roll(2) == 0 { at } else { json.len().min(1) };
                    json.splice(at..at, format!("{member},").bytes());
                    parts[which] = encode(json);
                }
                bytes = parts.join(".").into_bytes();
            }
        }
        if bytes.is_empty() {
            bytes.push(b'.');
        }
    }
    bytes
}

#[test]
fn s1_25_no_mutation_of_a_good_token_is_accepted() {
    let mutations = std::env::var("COUNTERSIGN_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let verifier = verifier(policy());
    let token = Token::sign(&valid().claim("roles", json!(["a", { "b": [1.5, null] }])));
    assert_eq!(code(&verifier, &token), OK);
    let mut dice = Dice(0x5eed);
    let mut refused = 0;
    for number in 0..mutations {
        let bytes = mutated(&token, &mut dice);
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        if text != token {
            // Each hundredth is explained too.
            let code = if number % 100 == 0 { code(&verifier, text) } else { code_alone(&verifier, text) };
            assert_ne!(code, OK, "mutation {number}: {text}");
            refused += 1;
        }
    }
    assert!(refused > mutations / 2, "most mutations are text: {refused} of {mutations}");
}
