//! Rotations of a provider's signing keys while requests arrive.

use std::time::Duration;

use countersign::verify::Verifier;
use countersign_test::{TestIssuer, TokenDraft};

use crate::load::{Load, assert_hardly_any_unavailable, kid, rotations};

/// A token of a new key.
async fn rotated(token: &impl AsyncFn() -> String, rotate: &impl AsyncFn()) -> String {
    let before = kid(&token().await);
    rotate().await;
    let token = token().await;
    assert_ne!(kid(&token), before, "a new key signs");
    token
}

/// Rotates the keys of the provider `name` again and again, and asserts that no request fails.
pub async fn under_load(name: &str, verifier: &Verifier, token: impl AsyncFn() -> String, rotate: impl AsyncFn()) {
    let load = Load::start(verifier, token().await).await;
    let rotations = rotations();
    for _ in 0..rotations {
        load.send(rotated(&token, &rotate).await);
        tokio::time::sleep(Duration::from_millis(1100)).await; // longer than the shortest cool-down
    }
    let codes = load.end().await;
    println!("{rotations} rotations of {name}: {codes:?}");
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}

/// Rotates the keys of the provider `name` twice, with a token of an invented `kid` between, and does so twice. Asserts that
/// nobody is refused. `marked` adds to the invented token what the provider's tokens have.
pub async fn with_an_invented_kid(
    name: &str,
    (verifier, issuer): (&Verifier, &str),
    token: impl AsyncFn() -> String,
    rotate: impl AsyncFn(),
    marked: impl Fn(TokenDraft) -> TokenDraft,
) {
    let load = Load::start(verifier, token().await).await;
    for _ in 0..2 {
        load.send(rotated(&token, &rotate).await);
        let other_issuer = TestIssuer::with_system_clock().with_name(issuer);
        let invented = marked(other_issuer.token().audience("orders")).header("kid", "invented").sign();
        let error = verifier.verify(&invented).await.expect_err("invented");
        assert!(["unknown_key", "keys_unavailable"].contains(&error.code()), "{error}: it was looked up");
        load.send(rotated(&token, &rotate).await);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let codes = load.end().await;
    println!("two rotations of {name} with an invented kid between them, twice: {codes:?}");
    assert_hardly_any_unavailable(&codes);
}
