//! What each peer does with a token that deviates from a good one.

use super::{Peer, Published, all, request, tokens};
use crate::sample::{self, ISSUER};
use countersign_core::key::Algorithm;
use serde_json::json;

/// What was sent, and whether each peer refused it, in the order of [`NAMES`](super::NAMES).
pub struct Check {
    pub what: &'static str,
    pub refused: Vec<bool>,
}

/// Sends each deviating token to each peer. The caller has entered a runtime.
///
/// # Panics
/// If a peer refuses the good token, or a good token that only looks unusual.
#[must_use]
pub fn all_checks() -> Vec<Check> {
    let signer = sample::signer(Algorithm::ES256);
    let published = Published::of(&signer, |_| ()).expect("a public key");
    let good = sample::token(&signer, ISSUER, 1);
    let refused = |peers: &mut [Peer], token: &str| -> Vec<bool> {
        peers.iter_mut().map(|peer| !peer.accepts(request(token))).collect()
    };
    let mut peers = all(&published);
    for peer in &mut peers {
        assert!(peer.accepts(request(&good)), "{} refuses the good token", peer.name);
    }
    let mut checks: Vec<Check> = tokens::deviations(&signer)
        .into_iter()
        .map(|deviation| Check { what: deviation.what, refused: refused(&mut peers, &deviation.token) })
        .collect();
    // The good token, with key sets that say that its key is for something else.
    let keys = [
        ("good token, key published for encryption (`use`)", "use", json!("enc")),
        ("good token, key published for another algorithm (`alg`)", "alg", json!("ES384")),
    ];
    for (what, member, value) in keys {
        let published = Published::of(&signer, |jwk| jwk[member] = value).expect("a public key");
        checks.push(Check { what, refused: refused(&mut all(&published), &good) });
    }
    checks
}
