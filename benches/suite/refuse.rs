//! Tokens that are refused: what each costs, and that no signature is checked for those that cheaper rules refuse.
//!
//! That a token has expired is only said if its signature holds: whoever forges one learns nothing.

use std::hint::black_box;

use countersign_benches::measure::{Contender, Plan, interleave};
use countersign_benches::refused::{self, Refused};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER, Raw};
use countersign_core::key::Algorithm;

/// RS256: the cheapest check that a public key makes, so that one spent in vain would show.
const ALGORITHM: Algorithm = Algorithm::RS256;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let signer = sample::signer(ALGORITHM);
    let verifier = sample::verifier(&signer, 1 << 20);
    let raw = Raw::of(&signer, &sample::token(&signer, ISSUER, 1));
    let mut contenders = vec![Contender::new("raw RS256 check", move || assert!(black_box(&raw).check()))];
    for Refused { name, code, token } in refused::all(&signer) {
        assert_eq!(refused::code(&verifier, &token), code, "{name}");
        let verifier = verifier.clone();
        contenders.push(Contender::new(name, move || {
            assert_ne!(black_box(refused::code(&verifier, black_box(&token))), "accepted")
        }));
    }
    let figures = interleave(plan, contenders);
    for figure in figures[1..].iter().filter(|figure| !refused::AFTER_SIGNATURE.contains(&&*figure.name)) {
        report.at_most(format!("refusing: {}", figure.name), " µs", 2.0, figure.nanos / 1000.0);
    }
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos / 1000.0), short(figure.allocations)])
        .collect();
    let note = "An expired token and one whose signature does not match need the signature check; the others are refused before \
                it. The first row is the RS256 check for comparison.";
    report.table("Refusing a token", note, &["", "µs", "Rust allocations"], rows);
}
