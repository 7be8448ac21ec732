//! The whole verifier: bytes as a token, which must never be accepted, and bytes as header and claims under a good MAC,
//! which are accepted only where they keep the policy. What explains a token says the same as what judges it, and what
//! inspects one takes any text.

#![no_main]

use std::sync::{Arc, LazyLock};

use countersign_core::clock::{FixedClock, UnixTime};
use countersign_core::integration::Step;
use countersign_core::key::{Algorithm, StaticKeys};
use countersign_core::mint::Signer;
use countersign_core::policy::NeedsAudience;
use countersign_core::secret::Secret;
use countersign_core::inspect::inspect;
use countersign_core::verify::{Verdict, Verifier};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: u64 = 1_700_000_000;

struct Fixture {
    signer: Signer,
    verifier: Verifier,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let secret = Secret::new(vec![b'q'; 32]);
    let signer = Signer::from_secret(secret, Algorithm::HS256, "k").expect("long enough");
    let keys = StaticKeys::new([signer.verifying_key().expect("its own key")]);
    let issuer = NeedsAudience::new("i", Arc::new(keys)).audience("a").algorithms([Algorithm::HS256]);
    let clock = Arc::new(FixedClock::new(UnixTime::from_secs(NOW)));
    let verifier = Verifier::builder().trust(issuer).clock(clock).build().expect("a policy");
    Fixture { signer, verifier }
});

fn list_or_one(claim: Option<&Value>) -> Vec<&Value> {
    match claim {
        Some(Value::Array(items)) => items.iter().collect(),
        other => other.into_iter().collect(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Fixture { signer, verifier } = &*FIXTURE;
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Step::Done(Ok(_)) = verifier.verify_with_cached_keys(text) {
            panic!("accepted without the key");
        }
        assert!(!verifier.explain_with_cached_keys(text).is_accepted());
        let _ = format!("{:?} {}", inspect(text).faults(), verifier.explain_with_cached_keys(text));
    }
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else { return };
    let token = signer.sign_compact(header, claims).expect("a MAC can always be made");
    let report = verifier.explain_with_cached_keys(&token);
    let Step::Done(result) = verifier.verify_with_cached_keys(&token) else {
        assert!(!report.is_accepted());
        return;
    };
    match (&result, &report.verdict) {
        (Ok(_), Verdict::Accepted) => {}
        (Err(refused), Verdict::Rejected { code, .. } | Verdict::Undecided { code, .. }) => {
            assert_eq!(refused.code(), *code);
        }
        (_, verdict) => panic!("the report says {verdict:?}"),
    }
    match result {
        Err(refused) => assert!(refused.to_string().len() < 1000, "{refused}"),
        Ok(verified) => {
            let header: Value = serde_json::from_slice(header).expect("JSON");
            let claims: Value = serde_json::from_slice(claims).expect("JSON");
            assert_eq!((&header["alg"], &claims["iss"]), (&Value::from("HS256"), &Value::from("i")));
            assert!(list_or_one(claims.get("aud")).contains(&&Value::from("a")));
            assert!(claims["exp"].as_f64().expect("a number") > NOW as f64 - 30.0);
            assert!(claims.get("nbf").is_none_or(|at| at.as_f64().expect("a number") <= NOW as f64 + 30.0));
            assert!(claims.get("cnf").is_none() && claims.get("nonce").is_none());
            assert_eq!(verified.subject(), claims["sub"].as_str().unwrap_or_default());
        }
    }
});
