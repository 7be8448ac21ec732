//! Proofs with changed members.

#![allow(clippy::expect_used, reason = "a test helper tells a misuse by failing the test")]

use countersign_test::TestProof;
use serde_json::{Map, Value};

fn members(changes: &Value) -> &Map<String, Value> {
    changes.as_object().expect("an object")
}

/// A proof with these claims changed; `null` removes one.
pub fn with_claims(proof: TestProof, changes: &Value) -> TestProof {
    members(changes).iter().fold(proof, |proof, (name, value)| match value {
        Value::Null => proof.without_claim(name),
        value => proof.claim(name, value.clone()),
    })
}

/// A proof with these members of its header changed; `null` removes one.
pub fn with_header(proof: TestProof, changes: &Value) -> TestProof {
    members(changes).iter().fold(proof, |proof, (name, value)| match value {
        Value::Null => proof.without_header(name),
        value => proof.header(name, value.clone()),
    })
}
