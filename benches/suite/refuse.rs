//! Tokens that are refused: what each costs, and that no signature is checked for those that cheaper rules refuse.

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use countersign_benches::measure::{Contender, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER, Raw};
use countersign_benches::services::now;
use countersign_core::clock::UnixTime;
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_core::verify::Verifier;

/// RS256: the cheapest check that a public key makes, so that one spent in vain would show.
const ALGORITHM: Algorithm = Algorithm::RS256;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (signer, stranger) = (sample::signer(ALGORITHM), sample::signer(ALGORITHM));
    let good = sample::token(&signer, ISSUER, 1);
    let verifier = sample::verifier(&signer, 1 << 20);
    let raw = Raw::of(&signer, &good);
    let bad_signature = good
        .rsplit_once('.')
        .zip(sample::token(&stranger, ISSUER, 1).rsplit_once('.'))
        .map_or_else(String::new, |((message, _), (_, signature))| format!("{message}.{signature}"));
    let cases = [
        ("random text of 1,000 bytes", "malformed", "x9_".repeat(333)),
        ("header that is no JSON", "malformed", format!("bm8ganNvbg.{}", &good[good.find('.').unwrap_or(0) + 1..])),
        ("another issuer", "unknown_issuer", sample::token(&signer, "https://id.example.net", 1)),
        ("expired", "expired", expired(&signer)),
        ("another audience", "wrong_audience", for_others(&signer)),
        ("unknown kid", "unknown_key", with_key_id(&good)),
        ("a signature that does not match", "bad_signature", bad_signature),
    ];
    let mut contenders = vec![Contender::new("raw RS256 check", move || assert!(black_box(&raw).check()))];
    for (name, code, token) in &cases {
        assert_eq!(refusal(&verifier, token), *code, "{name}");
        let verifier = verifier.clone();
        contenders.push(Contender::new(*name, move || {
            assert_ne!(black_box(refusal(&verifier, black_box(token))), "accepted")
        }));
    }
    let figures = interleave(plan, contenders);
    for figure in &figures[1..figures.len() - 1] {
        report.at_most(format!("refusing: {}", figure.name), " µs", 2.0, figure.nanos / 1000.0);
    }
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), short(figure.nanos / 1000.0), short(figure.allocations)])
        .collect();
    let note =
        "Refused before a signature is checked, but for the last. RS256's own check stands above for comparison.";
    report.table("Refusing a token", note, &["", "µs", "Rust allocations"], rows);
}

fn refusal(verifier: &Verifier, token: &str) -> &'static str {
    now(verifier.verify(token)).map_or_else(|error| error.code(), |_| "accepted")
}

fn expired(signer: &Signer) -> String {
    let now = UnixTime::from(SystemTime::now());
    sample::token_until(signer, ISSUER, 1, now.as_secs() - 3600)
}

fn for_others(signer: &Signer) -> String {
    let ends = UnixTime::from(SystemTime::now()).saturating_add(Duration::from_secs(3600));
    let draft = Draft::access_token().issuer(ISSUER).subject("ann").audience("others").expires_at(ends);
    draft.sign(signer).expect("a token")
}

/// The same token under a `kid` that nobody has.
fn with_key_id(token: &str) -> String {
    let rest = &token[token.find('.').unwrap_or(0)..];
    let header = format!(r#"{{"alg":"{ALGORITHM}","kid":"nobody","typ":"at+jwt"}}"#);
    format!("{}{rest}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(header))
}
