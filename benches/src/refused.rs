//! Tokens that are refused, each for another reason.

use std::time::{Duration, SystemTime};

use countersign_core::clock::UnixTime;
use countersign_core::mint::{Draft, Signer};
use countersign_core::verify::Verifier;

use crate::sample::{self, ISSUER};
use crate::services::now;

/// A token that is refused.
pub struct Refused {
    pub name: &'static str,
    /// The code of the refusal.
    pub code: &'static str,
    pub token: String,
}

/// The names of those that are refused after the signature check.
pub const AFTER_SIGNATURE: [&str; 2] = ["expired", "a signature that does not match"];

/// One token for each reason.
#[must_use]
pub fn all(signer: &Signer) -> Vec<Refused> {
    let good = sample::token(signer, ISSUER, 1);
    let (_, after_header) = good.split_once('.').expect("three segments");
    let unknown_kid = format!(r#"{{"alg":"{}","kid":"nobody","typ":"at+jwt"}}"#, signer.algorithm());
    let refused = |name, code, token| Refused { name, code, token };
    vec![
        refused("random text of 1,000 bytes", "malformed", "x9_".repeat(333)),
        refused("header that is not JSON", "malformed", format!("bm8ganNvbg.{after_header}")),
        refused("another issuer", "unknown_issuer", sample::token(signer, "https://id.example.net", 1)),
        refused("expired", "expired", sample::token_until(signer, ISSUER, 1, seconds_now() - 3600)),
        refused("another audience", "wrong_audience", for_others(signer)),
        refused("unknown kid", "unknown_key", with_header(&unknown_kid, after_header)),
        refused("a signature that does not match", "bad_signature", with_bad_signature(signer)),
    ]
}

/// The code that `verifier` refuses a token with.
pub fn code(verifier: &Verifier, token: &str) -> &'static str {
    now(verifier.verify(token)).map_or_else(|error| error.code(), |_| "accepted")
}

fn seconds_now() -> u64 {
    UnixTime::from(SystemTime::now()).as_secs()
}

fn for_others(signer: &Signer) -> String {
    let ends = UnixTime::from(SystemTime::now()).saturating_add(Duration::from_secs(3600));
    let draft = Draft::access_token().issuer(ISSUER).subject("ann").audience("others").expires_at(ends);
    draft.sign(signer).expect("a token")
}

fn with_header(header: &str, after_header: &str) -> String {
    format!("{}.{after_header}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(header))
}

/// One token with the signature of another.
fn with_bad_signature(signer: &Signer) -> String {
    let (one, other) = (sample::token(signer, ISSUER, 1), sample::token(signer, ISSUER, 2));
    let (message, _) = one.rsplit_once('.').expect("three segments");
    let (_, signature) = other.rsplit_once('.').expect("three segments");
    format!("{message}.{signature}")
}
