//! The valid counterparts of the cases: the same intent, in code that compiles.

use std::sync::Arc;

use countersign::key::StaticKeys;
use countersign::policy::NeedsAudience;
use countersign::secret::Secret;
use countersign::token::Unverified;
use countersign::verify::{Verified, Verifier};

fn takes_proof(_: &Verified) {}

async fn verify_and_parse(verifier: &Verifier, token: &str) {
    if let Ok(verified) = verifier.verify(token).await {
        takes_proof(&verified);
        let _ = verified.claims::<serde_json::Value>();
    }
    if let Ok(unverified) = Unverified::parse(token) {
        let _ = (unverified.issuer(), unverified.key_id(), unverified.algorithm());
    }
}

#[test]
fn what_passes_every_check_compiles() {
    let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
    let verifier = Verifier::new(issuer);
    assert!(verifier.is_ok());
    let secret = Secret::new(String::from("s"));
    assert_eq!(format!("{secret:?}"), "Secret([hidden])");
    let _ = verify_and_parse;
}
