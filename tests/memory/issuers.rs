//! The memory of the fetched keys of issuers that are resolved at run time.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use countersign::issuers::{ResolvePolicy, ResolvedIssuers, jwks};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use serde_json::{Value, json};

use crate::{MIB, everything};

const SETTING: usize = 8 * 1024 * 1024;

/// Issuers that the resolver accepts, each with the largest key set.
const ISSUERS: usize = 60;

/// The longest `kid` of each key with which the set is within 256 KiB.
const KEY_ID_BYTES: usize = 500;

/// A key set with the signing key of `issuer`, 127 more keys as large as are used, and entries that are skipped.
fn largest_set(issuer: &TestIssuer, number: usize) -> String {
    let mut set: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let keys = set["keys"].as_array_mut().expect("keys");
    for key in 0..127_u64 {
        let mut modulus: Vec<u8> = (0..1024_u64).map(|byte| (key * 1_000_003 + byte * byte * 31 + 7) as u8).collect();
        (modulus[0], modulus[1], modulus[1023]) = (0xff, number as u8, 0xfb);
        let n = base64_simd::URL_SAFE_NO_PAD.encode_to_string(modulus);
        let kid = format!("{key}-{}", "k".repeat(KEY_ID_BYTES));
        keys.push(json!({ "kty": "RSA", "kid": kid, "n": n, "e": "AQAB" }));
    }
    (0..127).for_each(|entry| keys.push(json!({ "kty": "XYZ", "kid": format!("{entry}-{}", "x".repeat(80)) })));
    let set = set.to_string();
    assert!((250_000..256 * 1024).contains(&set.len()), "{}", set.len());
    set
}

/// Serves the key set of issuer `n` at `/n`.
fn serve(sets: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head);
            let path = head.split(' ').nth(1).and_then(|path| path.trim_start_matches('/').parse::<usize>().ok());
            let Some(body) = path.and_then(|number| sets.get(number)) else { continue };
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    address
}

/// The bytes that a verifier holds after a token of each issuer, and the number of accepted ones. With `pause` between them.
fn held(issuer: &TestIssuer, address: &str, max_key_bytes: usize, pause: Duration) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let base = address.to_owned();
    let issuers = ResolvedIssuers::new(move |name: String| {
        let number = name.rsplit('/').next().unwrap_or_default();
        let issuer = jwks(name.clone(), format!("{base}/{number}")).audience("orders");
        async move { Ok(Some(issuer)) }
    });
    let policy = ResolvePolicy::default().max_lookups_per_second(1_000).max_key_bytes(max_key_bytes);
    let issuers = Arc::new(issuers.resolve_policy(policy).danger_allow_private_addresses());
    let clock = Arc::new(issuer.clock().clone());
    let verifier = Verifier::builder().trust_resolved(issuers.clone()).clock(clock).build().expect("a policy");
    let before = everything();
    let mut accepted = 0;
    for number in 0..ISSUERS {
        let named = issuer.clone().with_name(format!("{address}/tenants/{number}"));
        let token = named.token().audience("orders").lifetime(Duration::from_secs(86_400)).sign();
        match runtime.block_on(verifier.verify(&token)) {
            Ok(_) => accepted += 1,
            Err(error) => assert!(error.is_unavailable(), "{error}"),
        }
        issuer.clock().advance(pause);
    }
    let held = everything().saturating_sub(before);
    println!(
        "key sets, {} s apart: {:.1} MiB, {} issuers cached, {accepted} of {ISSUERS} tokens accepted",
        pause.as_secs(),
        held as f64 / MIB,
        issuers.report().len()
    );
    (held, accepted)
}

pub fn the_largest_key_sets_of_resolved_issuers_stay_within_twice_the_setting() {
    let issuer = TestIssuer::new();
    let address = serve((0..ISSUERS).map(|number| largest_set(&issuer, number)).collect());
    let (bytes, accepted) = held(&issuer, &address, usize::MAX / 2, Duration::ZERO);
    assert!(bytes > 3 * SETTING && accepted == ISSUERS, "{bytes} bytes without a bound, {accepted} accepted");
    // All in use: further ones find no room. Then one after the other: idle ones make room, and cached tokens pin no keys.
    for (pause, expected) in [(Duration::ZERO, 3..20), (Duration::from_secs(10), ISSUERS / 2..ISSUERS + 1)] {
        let (bytes, accepted) = held(&issuer, &address, SETTING, pause);
        assert!(bytes <= 2 * SETTING, "{bytes} bytes");
        assert!(bytes >= SETTING / 3 && expected.contains(&accepted), "{bytes} bytes, {accepted} accepted");
    }
}
